//! Devices whose files are text and hold one exam each, of which each layout has a form of its own.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use serde::de::DeserializeOwned;

use super::columns::{Source, unreadable, with_issue};
use super::layout;
use super::resaved::as_exported;
use super::text::{NoText, check_text, lost_tail};
use crate::device::{Confidence, Device, Reading, Request, Sample, Table};
use crate::error::{Error, Result};
use crate::issue::IssueCode;

/// What such a device says of itself. Its table has its name.
pub(crate) trait Single: fmt::Debug + Send + Sync {
    /// What its `layout.toml` says.
    type Layout: 'static;
    /// Name of the device and of its table.
    const NAME: &'static str;
    /// As [`Device::about`].
    const ABOUT: &'static str;

    /// Layout and table, made when they are first asked for.
    fn export() -> &'static OneTable<Self::Layout>;

    /// As [`Device::recognises`].
    fn recognises(layout: &Self::Layout, sample: &Sample<'_>) -> Confidence;

    /// As [`Device::read`], of bytes that are text.
    fn read(layout: &Self::Layout, schema: &SchemaRef, bytes: &[u8], request: &Request<'_>) -> Reading;

    /// As [`Device::write`], of one row.
    ///
    /// # Errors
    /// When there is no version of that name.
    fn write(layout: &Self::Layout, row: &Source<'_>, version: &str) -> Result<Vec<u8>>;
}

/// Layout and table of a device.
pub(crate) struct OneTable<L> {
    layout: L,
    tables: [Table; 1],
}

impl<L: DeserializeOwned + Default> OneTable<L> {
    /// What `text`, a `layout.toml`, describes.
    pub(crate) fn new(name: &'static str, about: &'static str, text: &str, schema: fn(&L) -> Schema) -> Self {
        let layout: L = layout::load(name, text);
        let schema = Arc::new(schema(&layout));
        Self { layout, tables: [Table { name, about, schema }] }
    }
}

impl<D: Single> Device for D {
    fn name(&self) -> &'static str {
        D::NAME
    }

    fn about(&self) -> &'static str {
        D::ABOUT
    }

    fn tables(&self) -> &[Table] {
        &D::export().tables
    }

    fn recognises(&self, sample: &Sample<'_>) -> Confidence {
        D::recognises(&D::export().layout, sample)
    }

    fn read(&self, bytes: &[u8], request: &Request<'_>) -> Reading {
        let OneTable { layout, tables: [table] } = D::export();
        let tail = lost_tail(bytes);
        let bytes = as_exported(bytes);
        match check_text(&bytes) {
            Err(NoText::Empty) => unreadable(&table.schema, request, IssueCode::FileEmpty, "the file is empty"),
            Err(NoText::Binary) => unreadable(&table.schema, request, IssueCode::FileUnreadable, "the file is not text"),
            Ok(()) => with_issue(D::read(layout, &table.schema, &bytes, request), tail),
        }
    }

    fn write(&self, table: &str, rows: &RecordBatch, version: &str) -> Result<Vec<u8>> {
        let OneTable { layout, tables: [own] } = D::export();
        layout::check_table(D::NAME, table, own.name)?;
        let source = Source::new(D::NAME, &own.schema, rows)?;
        if source.rows() != 1 {
            let message = format!("a file holds one exam; {} rows were given", source.rows());
            return Err(Error::Layout { device: D::NAME, message });
        }
        D::write(layout, &source, version)
    }
}
