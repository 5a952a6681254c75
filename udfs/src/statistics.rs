//! Statistics of a map within a zone.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, plan_err};

use crate::args::{Call, FixedLists, Settings};
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::{self, Geometry, MERIDIANS, RING_STEP, RINGS, list_type, with_unit};
use crate::grid::MAP;
use crate::optics::grid::Grid;
use crate::optics::statistics::{NAMES, ZoneStatistics};

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "map_statistics",
        about: "Fourteen area-weighted statistics of the cells of a circular zone, in the order of map_statistic_names(): mean, sd, \
                min, max, five percentiles, skewness, excess kurtosis, RMS gradient per mm, entropy in bits, inferior minus \
                superior mean. NULL where less than half of the zone was measured. The definition is this project's own.",
        parameters: &[
            MAP,
            Parameter::optional("zone_mm", Kind::Number, "8", "diameter of the zone in mm"),
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8[14]",
        result: |s| {
            let geometry = geometry::any_geometry(s, 0)?;
            statistics(s, &geometry)?;
            Ok(with_unit(Field::new("", list_type(NAMES.len()), true), geometry.unit.as_deref().unwrap_or("")))
        },
        compute: |call| {
            let geometry = geometry::any_geometry(&call.settings, 0)?;
            let mut statistics = statistics(&call.settings, &geometry)?;
            let (lists, mut buffer) = (call.lists(0)?, Vec::new());
            let mut out = FixedLists::new(call.settings.name(), NAMES.len(), call.rows)?;
            for row in 0..call.rows {
                let present = geometry::check_length(call.settings.name(), geometry.grid, &lists, row)?;
                let map = present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten();
                out.push(map.and_then(|map| statistics.of(map)).as_ref().map(|s| s.as_slice()));
            }
            out.finish()
        },
        example: Example { sql: "map_statistics(array_repeat(7.5, 7936), zone_mm => 6)[7]", output: "7.5" },
    },
    Function {
        name: "map_statistic_names",
        about: "Names of the numbers that map_statistics gives, in their order.",
        parameters: &[],
        returns: "text[]",
        result: |_| Ok(Field::new("", DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))), true)),
        compute: names,
        example: Example { sql: "map_statistic_names()[14]", output: "si_asym" },
    },
];

fn statistics(s: &Settings, geometry: &Geometry<Grid>) -> Result<ZoneStatistics> {
    match ZoneStatistics::new(geometry.grid, s.number("zone_mm", 8.0)?) {
        Ok(statistics) => Ok(statistics),
        Err(error) => plan_err!("{}: {error}", s.name()),
    }
}

fn names(call: &Call) -> Result<ArrayRef> {
    let field = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let values = StringArray::from_iter_values((0..call.rows).flat_map(|_| NAMES));
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(NAMES.len(), call.rows));
    Ok(Arc::new(ListArray::try_new(field, offsets, Arc::new(values), None)?))
}
