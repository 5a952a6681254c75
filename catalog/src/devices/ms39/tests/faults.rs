//! What real exports do wrong, one by one: the issue, the columns, and the very cells that may differ from the sound file.

use std::collections::BTreeMap;

use super::*;

/// The cells of the sound file that a fault takes away.
enum Lost {
    Nothing,
    /// All cells of these maps.
    Maps(&'static [&'static str]),
    Ring(&'static str, usize),
    /// Every seventh cell of these maps, the centre included.
    Seventh(&'static str),
    Cell(&'static str, usize, usize),
    /// The cells from a meridian on of a ring.
    Rest(&'static str, usize, usize),
    Everything,
}

impl Lost {
    fn takes(&self, column: &str, cell: usize) -> bool {
        let (ring, meridian) = (cell / MERIDIANS, cell % MERIDIANS);
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Maps(columns) => columns.contains(&column),
            Self::Seventh(of) => *of == column && cell.is_multiple_of(7),
            Self::Ring(of, at) => *of == column && *at == ring,
            Self::Cell(of, at, place) => *of == column && (*at, *place) == (ring, meridian),
            Self::Rest(of, at, from) => *of == column && *at == ring && meridian >= *from,
        }
    }
}

struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    issues: Vec<IssueCode>,
    /// Columns besides maps and preamble.
    columns: &'static [&'static str],
    lost: Lost,
}

fn edited(edit: impl FnOnce(&mut File)) -> Vec<u8> {
    let mut file = new_file();
    edit(&mut file);
    file.text().into_bytes()
}

fn case(name: &'static str, bytes: Vec<u8>, issues: &[IssueCode], columns: &'static [&'static str], lost: Lost) -> Case {
    Case { name, bytes, issues: issues.to_vec(), columns, lost }
}

const IDENTITY: &[&str] = &[
    "eye",
    "exam_date",
    "patient_number",
    "patient_last_name",
    "patient_first_name",
    "patient_birth_date",
    "patient_sex",
    "pupil_center_x_mm",
    "pupil_center_y_mm",
    "sim_k_flat_radius_mm",
    "sim_k_flat_axis_deg",
    "sim_k_steep_radius_mm",
    "sim_k_steep_axis_deg",
];
const SIM_K: &[&str] = &["sim_k_flat_radius_mm", "sim_k_flat_axis_deg", "sim_k_steep_radius_mm", "sim_k_steep_axis_deg"];

fn missing(file: &mut File, map: &str, ring: usize) {
    file.cells_of(map, ring, |cells| cells.fill("-1000.0000".into()));
}

/// Variants that cost nothing.
fn harmless() -> Vec<Case> {
    let text = new_file().text();
    let latin = text.chars().map(|c| u32::from(c) as u8).collect();
    let variant = |name, bytes| case(name, bytes, &[], &[], Lost::Nothing);
    vec![
        variant("accents in Windows-1252", latin),
        variant("byte order mark", [b"\xEF\xBB\xBF".as_slice(), text.as_bytes()].concat()),
        variant("commas", sample(',', 32, "-1000").text().into_bytes()),
        variant("LF", text.replace("\r\n", "\n").into_bytes()),
        variant("CR CR LF", text.replace("\r\n", "\r\r\n").into_bytes()),
        variant("delimiter at the end of lines", text.replace("\r\n", ";\r\n").into_bytes()),
        variant("eye in lower case", text.replace("Exam_Eye;OD", "Exam_Eye;od").into_bytes()),
        variant("micro sign", text.replace("[um]", "[µm]").into_bytes()),
        variant("epithelium spelled right", text.replace("EpitelialThickness", "EpithelialThickness").into_bytes()),
        variant(
            "32 rows",
            edited(|file| {
                for map in &mut file.maps {
                    map.push(map[RINGS].clone());
                }
            }),
        ),
        case("27 lines before the maps", sample(';', 27, "-1000.0000").text().into_bytes(), &[], SIM_K, Lost::Nothing),
        case("a preamble of the future", sample(';', 61, "-1000.0000").text().into_bytes(), &[], &[], Lost::Nothing),
        case(
            "extra columns",
            edited(|file| {
                file.cells_of("CornealThickness", 3, |cells| cells.extend(["0.15".into(), "12".into()]));
            }),
            &[CellsExtra],
            &[],
            Lost::Nothing,
        ),
        case(
            "scattered cells",
            edited(|file| {
                for ring in 0..RINGS {
                    file.cells_of("TangentialPosterior", ring, |cells| {
                        for (meridian, cell) in cells.iter_mut().enumerate() {
                            if (ring * MERIDIANS + meridian).is_multiple_of(7) {
                                *cell = "-1000".into();
                            }
                        }
                    });
                }
            }),
            &[],
            &[],
            Lost::Seventh("tangential_posterior_mm"),
        ),
        case(
            "the centre",
            edited(|file| file.cells_of("GaussianAnterior", 0, |cells| cells[0] = "-1000".into())),
            &[],
            &[],
            Lost::Cell("gaussian_anterior_mm", 0, 0),
        ),
        case(
            "an outer ring",
            edited(|file| missing(file, "AnteriorChamberDepth", 24)),
            &[],
            &[],
            Lost::Ring("anterior_chamber_depth_mm", 24),
        ),
    ]
}

/// Faults that take something away.
fn losses() -> Vec<Case> {
    const ELEVATIONS: Lost = Lost::Maps(&["elevation_anterior_mm", "elevation_posterior_mm", "elevation_stromal_mm"]);
    let whole = new_file().text();
    vec![
        case("13 maps", edited(|file| drop(file.maps.drain(9..12))), &[MapMissing; 3], &[], ELEVATIONS),
        case("no eye", edited(|file| drop(file.preamble.remove(6))), &[EyeMissing], &["eye"], Lost::Nothing),
        case(
            "the eye is a digit",
            edited(|file| file.preamble[6] = "Exam_Eye;2".into()),
            &[EyeUnreadable],
            &["eye"],
            Lost::Nothing,
        ),
        case(
            "an inner ring",
            edited(|file| missing(file, "SagittalAnterior", 4)),
            &[RingMissing],
            &[],
            Lost::Ring("sagittal_anterior_mm", 4),
        ),
        case(
            "an inner ring of a row with one cell",
            edited(|file| file.map("StromalThickness")[6] = "-1000".into()),
            &[RowTruncated],
            &[],
            Lost::Ring("stromal_thickness_um", 5),
        ),
        case(
            "a whole map",
            edited(|file| (0..RINGS).for_each(|ring| missing(file, "ElevationStromal", ring))),
            &[MapEmpty],
            &[],
            Lost::Maps(&["elevation_stromal_mm"]),
        ),
        case(
            "a truncated row",
            edited(|file| file.cells_of("GaussianPosterior", 9, |cells| cells.truncate(100))),
            &[RowTruncated],
            &[],
            Lost::Rest("gaussian_posterior_mm", 9, 100),
        ),
        case(
            "a truncated last row",
            edited(|file| {
                file.maps[15].truncate(25);
                file.cells_of("AnteriorChamberDepth", 23, |cells| cells.truncate(40));
                file.maps[15][24].push_str(";2.");
                file.end = "\n";
            })
            .strip_suffix(b"\n")
            .unwrap()
            .to_vec(),
            &[FileTruncated],
            &[],
            Lost::Maps(&[]),
        ),
        case(
            "no number",
            edited(|file| file.cells_of("CornealThickness", 2, |cells| cells[17] = "#VALEUR!".into())),
            &[CellUnreadable],
            &[],
            Lost::Cell("corneal_thickness_um", 2, 17),
        ),
        case("no numbers at all", edited(|file| file.maps.clear()), &[DataAbsent], &[], Lost::Everything),
        case("empty", Vec::new(), &[FileEmpty], IDENTITY, Lost::Everything),
        case("blanks", b" \r\n \r\n".to_vec(), &[FileEmpty], IDENTITY, Lost::Everything),
        case(
            "ends inside a map",
            whole.as_bytes()[..whole.find("CornealThickness").unwrap() + 19].to_vec(),
            &[FileTruncated],
            &[],
            Lost::Maps(&["corneal_thickness_um", "stromal_thickness_um", "epithelial_thickness_um", "anterior_chamber_depth_mm"]),
        ),
    ]
}

/// The list of formats.md, each with all cells of all maps compared.
#[test]
fn a_fault_takes_its_own_cells_and_no_other() {
    let good = read(&MS39, new_file().text().as_bytes()).0;
    let map = |batch: &RecordBatch, column: &str| cells(batch, column, 0).unwrap_or_else(|| vec![None; RINGS * MERIDIANS]);
    for Case { name, bytes, issues, columns, lost } in harmless().into_iter().chain(losses()) {
        let (batch, reading) = read(&MS39, &bytes);
        assert_eq!(codes(&reading, 0), issues, "{name}: {:?}", reading.issues[0]);
        let mut others: Vec<String> = differing(&good, &batch);
        others.retain(|column| column != "preamble" && !MAPS.iter().any(|(_, _, map, ..)| map == column));
        assert_eq!(others, columns, "{name}");
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, _, column, ..) in MAPS {
            for (cell, (before, after)) in map(&good, column).iter().zip(map(&batch, column)).enumerate() {
                let gone = before.is_some() && lost.takes(column, cell);
                // Behind a cut all is gone.
                let cut = name == "a truncated last row" && column == "anterior_chamber_depth_mm" && cell >= 23 * MERIDIANS + 40;
                assert_eq!(
                    after,
                    if gone || cut { None } else { *before },
                    "{name}: {column} {} {}",
                    cell / MERIDIANS,
                    cell % MERIDIANS
                );
                *taken.entry(column).or_default() += usize::from(gone || cut && before.is_some());
            }
        }
        let total: usize = taken.values().sum();
        assert_eq!(total > 0, !matches!(lost, Lost::Nothing), "{name} takes {taken:?}");
    }
}

fn scaled(file: &mut File, map: &str, change: impl Fn(f64) -> f64) {
    for ring in 0..RINGS {
        file.cells_of(map, ring, |cells| {
            for cell in cells.iter_mut().filter(|cell| !cell.starts_with("-1000")) {
                *cell = format!("{:.4}", change(cell.parse().unwrap()));
            }
        });
    }
}

/// The posterior elevation lies the thickness deeper; a file whose posterior surface begins at 0 is told.
#[test]
fn an_elevation_without_its_offset_is_told() {
    expect(ElevationsDisagree, &["elevation_posterior_mm"], |file| scaled(file, "ElevationPosterior", |z| z - 0.593));
    expect(ElevationsDisagree, &["elevation_posterior_mm"], |file| scaled(file, "ElevationPosterior", |z| z + 0.035));
    let (issues, ..) = fault(|file| scaled(file, "ElevationPosterior", |z| z + 0.02));
    assert_eq!(issues, []);
    // One damaged ring does not decide.
    let (issues, ..) = fault(|file| {
        file.cells_of("ElevationPosterior", 2, |cells| cells.iter_mut().for_each(|cell| *cell = "0.1000".into()));
    });
    assert_eq!(issues, []);
}

/// 337.5 or 376 over the radius in front, −40 over it behind.
#[test]
fn powers_that_do_not_belong_to_their_radii_are_told() {
    expect(PowerDisagrees, &["refractive_power_anterior_d"], |file| {
        scaled(file, "RefractiveFrontalPowerAnterior", |power| power * 1.1);
    });
    expect(PowerDisagrees, &["refractive_power_posterior_d"], |file| {
        scaled(file, "RefractiveFrontalPowerPosterior", |power| power * 0.8);
    });
    expect(PowerDisagrees, &["sagittal_posterior_mm"], |file| scaled(file, "SagittalPosterior", |radius| radius + 0.6));
    // The keratometric index is as good as that of the cornea.
    let (issues, ..) = fault(|file| scaled(file, "RefractiveFrontalPowerAnterior", |power| power * 337.5 / 376.0));
    assert_eq!(issues, []);
    let (issues, ..) = fault(|file| scaled(file, "RefractiveFrontalPowerAnterior", |power| power * 1.03));
    assert_eq!(issues, []);
}

#[test]
fn simulated_keratometry_of_another_eye_is_told() {
    expect(HeaderDisagrees, &["sim_k_flat_radius_mm", "sim_k_steep_radius_mm", "preamble"], |file| {
        file.preamble[10] = "SimKKf;7.3000".into();
        file.preamble[12] = "SimKKs;7.1000".into();
    });
    // What the lid covers is not compared.
    let (issues, ..) = fault(|file| {
        file.preamble[10] = "SimKKf;7.3000".into();
        for ring in [7, 8] {
            file.cells_of("SagittalAnterior", ring, |cells| cells.iter_mut().take(80).for_each(|cell| *cell = "-1000".into()));
        }
    });
    assert_eq!(issues, []);
}
