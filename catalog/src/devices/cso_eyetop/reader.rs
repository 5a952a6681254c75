//! Reader.
use arrow::datatypes::SchemaRef;

use super::super::columns::unreadable;
use super::Layout;
use crate::device::{Confidence, Reading, Request, Sample};
use crate::issue::IssueCode;

pub(super) fn recognises(_layout: &Layout, _sample: &Sample<'_>) -> Confidence {
    Confidence::No
}

pub(super) fn read(_layout: &Layout, schema: &SchemaRef, _bytes: &[u8], request: &Request<'_>) -> Reading {
    unreadable(schema, request, IssueCode::FileUnreadable, "reading is not there yet")
}
