//! Reads a file of resources too large for the memory: once for what Observations point to, and once more for these.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::super::columns::unreadable;
use super::super::pieces::{Text, Wanted};
use super::super::text::Encoding;
use super::layout::Layout;
use super::reader::{Body, Parts};
use super::resources::Targets;
use crate::device::{Pieces, Reading, Request, Step};
use crate::issue::IssueCode;

/// A file of resources, one a line, that comes in pieces.
pub(super) struct Resources<'l> {
    layout: &'l Layout,
    schema: SchemaRef,
    wanted: Wanted,
    rows: usize,
    beside: Option<Arc<Targets>>,
    text: Text,
    /// Of the first passes.
    targets: Targets,
    body: Body,
    size: usize,
    last: bool,
    /// Of the last pass.
    parts: Option<Parts<'l>>,
    refused: Option<Reading>,
    ended: bool,
}

impl<'l> Resources<'l> {
    pub(super) fn new(
        layout: &'l Layout,
        schema: &SchemaRef,
        request: &Request<'_>,
        rows: usize,
        beside: Option<Arc<Targets>>,
    ) -> Self {
        Self {
            layout,
            schema: SchemaRef::clone(schema),
            wanted: Wanted::new(request),
            rows,
            beside,
            text: Text::new(Encoding::Windows1252),
            targets: Targets::default(),
            body: Body::default(),
            size: 0,
            last: false,
            parts: None,
            refused: None,
            ended: false,
        }
    }
}

impl Pieces for Resources<'_> {
    fn take(&mut self, bytes: &[u8], last: bool) {
        self.last = last;
        let mut more = String::new();
        if !self.text.take(bytes, last, &mut more) {
            self.refused =
                Some(unreadable(&self.schema, &self.wanted.request(), IssueCode::FileUnreadable, "the file is not text"));
            return;
        }
        if let Some(parts) = &mut self.parts {
            parts.body.extend(&more, last);
            return;
        }
        self.size += more.len();
        self.body.extend(&more, last);
        while let Some((_, document)) = self.body.next() {
            self.targets.add(self.layout, document, false);
        }
    }

    fn next(&mut self) -> Step {
        if let Some(reading) = self.refused.take() {
            self.ended = true;
            return Step::Part(reading);
        }
        if self.ended {
            return Step::End;
        }
        if let Some(parts) = &mut self.parts {
            return match parts.next() {
                Some(reading) => Step::Part(reading),
                None if parts.goes_on() => Step::More,
                None => Step::End,
            };
        }
        if !self.last {
            return Step::More;
        }
        let (targets, bytes, size) = (std::mem::take(&mut self.targets), self.text.size(), std::mem::take(&mut self.size));
        self.body = Body::default();
        self.last = false;
        if self.text.again() {
            let targets = targets.beside(self.beside.take());
            let mut parts = Parts::new(self.layout, &self.schema, &self.wanted.request(), self.rows, targets, size);
            parts.begin(self.text.lost(bytes));
            self.parts = Some(parts);
        }
        Step::Again
    }
}
