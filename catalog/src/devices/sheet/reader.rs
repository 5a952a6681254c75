//! stub
use arrow::datatypes::SchemaRef;

use super::super::columns::unreadable;
use super::Sheet;
use crate::device::{Confidence, Reading, Request, Sample};
use crate::issue::IssueCode;

pub(crate) fn recognises(_layout: &Sheet, _sample: &Sample<'_>) -> Confidence {
    Confidence::No
}

pub(crate) fn read(_layout: &Sheet, schema: &SchemaRef, _bytes: &[u8], request: &Request<'_>) -> Reading {
    unreadable(schema, request, IssueCode::FileUnreadable, "reading is not there yet")
}
