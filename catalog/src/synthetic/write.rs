//! From patients to files: the one place that touches the disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chrono::{Datelike, NaiveDate};

use super::clinic::{Vision, type_row};
use super::exam::Exam;
use super::maps::{KINDS, Keratometry, SAGITTAL_ANTERIOR};
use super::patient::{Patient, Purpose};
use super::pentacam;
use super::plan::{Day, plan};
use super::record::{Cell, Row, batch};
use super::sheets::{self, Entry, Sheet};
use super::truth::{self, Truth};
use super::{Hospital, Progress, Report};
use crate::device::Device;
use crate::devices;
use crate::error::{Error, Result};
use crate::issue::IssueCode;

/// Says that a folder is ours, and which hospital stands in it once it is complete.
/// The file that marks a folder as a simulated hospital.
pub const MARKER: &str = "simulated-hospital.txt";
const MARKER_TITLE: &str = "A simulated hospital. No data of real persons. Everything here may be overwritten.";

/// Bytes and truth of all that concerns one patient alone, and the rows for the sheets.
#[derive(Debug)]
struct Chart {
    patient: Patient,
    files: Vec<Truth>,
    entries: Vec<Entry>,
    bytes: u64,
}

/// See [`super::generate`].
pub(super) fn hospital(dir: &Path, hospital: &Hospital, threads: usize, progress: &(dyn Fn(Progress) + Sync)) -> Result<Report> {
    prepare(dir)?;
    let lake = dir.join("lake");
    let charts = charts(&lake, hospital, threads, progress)?;
    let mut report = Report { patients: hospital.patients, ..Report::default() };
    let (mut files, mut rows, mut patients) = (Vec::new(), Vec::new(), Vec::new());
    let mut by_sheet: BTreeMap<Sheet, Vec<Entry>> = BTreeMap::new();
    for chart in charts {
        report.visits += chart.patient.visits.len();
        report.bytes += chart.bytes;
        files.extend(chart.files);
        for entry in chart.entries {
            by_sheet.entry(entry.sheet).or_default().push(entry);
        }
        patients.push(chart.patient);
    }
    for (number, (sheet, mut entries)) in by_sheet.into_iter().enumerate() {
        entries.sort_by_key(|entry| entry.key);
        let written = sheets::write(hospital.seed, number, sheet, device(sheet.device())?, entries)?;
        report.bytes += save(&lake, &written.path, &written.bytes)?;
        files.push(written.truth);
        rows.extend(written.rows);
    }
    for (path, bytes, truth) in foreign(hospital.patients) {
        report.bytes += save(&lake, &path, &bytes)?;
        files.push(truth);
    }
    report.files = files.len();
    for fault in files.iter().chain(&rows).filter_map(|truth| truth.fault) {
        if fault.expected.is_some() { report.faulty += 1 } else { report.harmless += 1 }
    }
    truth::write(&dir.join("truth"), &files, &rows, &patients)?;
    let marker = format!("{MARKER_TITLE}\npatients {}\nseed {}\ncomplete\n", hospital.patients, hospital.seed);
    write_file(&dir.join(MARKER), marker.as_bytes())?;
    Ok(report)
}

/// See [`super::present`].
pub(super) fn present(dir: &Path) -> Option<Hospital> {
    let marker = fs::read_to_string(dir.join(MARKER)).ok()?;
    let number = |key: &str| marker.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<u64>().ok());
    marker.lines().any(|line| line == "complete").then_some(())?;
    Some(Hospital { patients: usize::try_from(number("patients ")?).ok()?, seed: number("seed ")? })
}

/// Makes an empty place for the hospital; what stands there is removed if it is a hospital, and left alone otherwise.
fn prepare(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(|source| io(dir, source))?;
    let ours = fs::read_to_string(dir.join(MARKER)).is_ok_and(|text| text.starts_with(MARKER_TITLE));
    let mut entries = fs::read_dir(dir).map_err(|source| io(dir, source))?;
    if !ours && entries.next().is_some() {
        let message = "the folder is not empty and holds no simulated hospital; name a new or an empty one";
        return Err(io(dir, std::io::Error::other(message)));
    }
    write_file(&dir.join(MARKER), format!("{MARKER_TITLE}\n").as_bytes())?;
    for part in ["lake", "truth"] {
        let part = dir.join(part);
        if part.exists() {
            fs::remove_dir_all(&part).map_err(|source| io(&part, source))?;
        }
        fs::create_dir_all(&part).map_err(|source| io(&part, source))?;
    }
    Ok(())
}

/// All patients, in their order, whatever thread took them.
fn charts(lake: &Path, hospital: &Hospital, threads: usize, progress: &(dyn Fn(Progress) + Sync)) -> Result<Vec<Chart>> {
    let (next, done, failed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let charts: Mutex<BTreeMap<usize, Chart>> = Mutex::new(BTreeMap::new());
    let work = || -> Result<()> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= hospital.patients || failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            let chart = chart(lake, hospital.seed, index).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            charts.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(index, chart);
            progress(Progress { done: done.fetch_add(1, Ordering::Relaxed) + 1, total: hospital.patients });
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(io(lake, std::io::Error::other("a worker stopped")))))
    })?;
    let charts = charts.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    Ok(charts.into_values().collect())
}

/// Examines a patient and writes the files that are the patient's alone.
fn chart(lake: &Path, seed: u64, index: usize) -> Result<Chart> {
    let patient = Patient::new(seed, index);
    let mut exams = Purpose::Exam.draw(seed, index);
    let mut corvis = Purpose::Corvis.draw(seed, index);
    let mut clinic = Purpose::Clinic.draw(seed, index);
    let mut eyetop = Purpose::Eyetop.draw(seed, index);
    let mut damage = Purpose::Damage.draw(seed, index);
    let mut pentacam_draw = Purpose::Pentacam.draw(seed, index);
    let mut sirius = Purpose::Sirius.draw(seed, index);
    let mut curves = Purpose::Curves.draw(seed, index);
    let (mut files, mut entries, mut bytes) = (Vec::new(), Vec::new(), 0);
    for day in plan(seed, &patient) {
        let date = day.visit.date;
        let years = day.visit.years;
        let age = f64::from(patient.age(date));
        for (side, eye) in patient.eyes.iter().enumerate() {
            let exam = Exam::new(eye, years, &mut exams);
            let findings = exam.findings;
            if day.eyetop {
                let fault = day.eyetop_faults[side];
                let mut row = super::eyetop::measure(eye, years, &findings, &mut eyetop);
                identify(&mut row, &patient, date);
                let device = device("cso_eyetop")?;
                let table = &device.tables()[0];
                let mut file = device.write(table.name, &batch(&table.schema, vec![row])?, "placido-it")?;
                if let Some(fault) = fault {
                    file = fault.in_file(file, &mut damage);
                }
                let path = format!("eyetop/{}_{}.txt", patient.number, if eye.left { "2" } else { "1" });
                bytes += save(lake, &path, &file)?;
                let also = [IssueCode::PatientMissing, IssueCode::EyeMissing].map(|code| (code, "not_in_the_export")).to_vec();
                files.push(Truth { file: path, also, ..Truth::of("cso_eyetop", &patient, eye, date, fault) });
            }
            if day.corvis {
                let mut row = super::corvis::measure(eye, years, age, &findings, &mut corvis);
                identify(&mut row, &patient, date);
                row.set("eye", if eye.left { "OS" } else { "OD" });
                row.set("exam_time", clock(day.visit.minute + 12 + 2 * side as u32, ":"));
                if day.curves {
                    let (path, file) = curves_file(&patient, side, &day, &row, &mut curves)?;
                    bytes += save(lake, &path, &file)?;
                    let truth = Truth::of("corvis_st_curve", &patient, eye, date, day.curves_faults[side]);
                    files.push(Truth { file: path, ..truth });
                }
                let truth = Truth::of("corvis_st", &patient, eye, date, day.corvis_faults[side]);
                let key = (date, day.visit.minute, index, eye.left);
                entries.push(Entry { sheet: Sheet::corvis(date), key, row, truth });
            }
            if let Some(desk) = day.desk {
                let vision = Vision::new(eye, years, age, &findings, &mut clinic);
                let mut row = type_row(desk, date, eye, &vision, &patient.habits, &mut clinic);
                identify(&mut row, &patient, date);
                let truth = Truth::of("clinic", &patient, eye, date, day.clinic_faults[side]);
                let key = (date, day.visit.minute, index, eye.left);
                entries.push(Entry { sheet: Sheet::clinic(desk, date), key, row, truth });
            }
            if day.pentacam {
                for (number, (path, file)) in pentacam_files(&patient, side, &day, &mut pentacam_draw)?.into_iter().enumerate() {
                    bytes += save(lake, &path, &file)?;
                    let fault = day.pentacam_faults[side][number];
                    let also = fault.into_iter().flat_map(|fault| fault.consequences().iter().map(|code| (*code, fault.name)));
                    let also = also.collect();
                    files.push(Truth { file: path, also, ..Truth::of("pentacam", &patient, eye, date, fault) });
                }
            }
            if day.sirius {
                let (path, file) = sirius_file(&patient, side, &day, &mut sirius)?;
                bytes += save(lake, &path, &file)?;
                let also = [IssueCode::PatientMissing, IssueCode::EyeMissing, IssueCode::DateMissing];
                let also = also.map(|code| (code, "not_in_the_export")).to_vec();
                files.push(Truth { file: path, also, ..Truth::of("sirius", &patient, eye, date, day.sirius_faults[side]) });
            }
            if day.ms39[side] {
                let (path, file) = ms39(&patient, side, &day, exam, &mut damage)?;
                bytes += save(lake, &path, &file)?;
                files.push(Truth { file: path, ..Truth::of("ms39", &patient, eye, date, day.ms39_faults[side]) });
            }
        }
    }
    Ok(Chart { patient, files, entries, bytes })
}

/// The MS-39 file of one exam and its path. The device's name for it holds the patient's.
pub(super) fn ms39(
    patient: &Patient,
    side: usize,
    day: &Day,
    exam: Exam,
    draw: &mut super::random::Draw,
) -> Result<(String, Vec<u8>)> {
    let eye = if side == 1 { "OS" } else { "OD" };
    let date = day.visit.date;
    let minute = day.visit.minute + 3 * side as u32;
    // The device was updated at the turn of 2025.
    let layout = if date.year() < 2025 { "2023" } else { "2025" };
    let mut row = Row::default();
    identify(&mut row, patient, date);
    row.set("eye", eye);
    row.set("exam_time", clock(minute, ":"));
    row.set("pupil_center_x_mm", exam.pupil_mm.0);
    row.set("pupil_center_y_mm", exam.pupil_mm.1);
    // The device has no keratometry where the lid covers the zone.
    if let Some(k) = Keratometry::of(&exam.maps[SAGITTAL_ANTERIOR]) {
        row.set("sim_k_flat_radius_mm", k.flat_radius_mm);
        row.set("sim_k_flat_axis_deg", k.flat_axis_deg);
        row.set("sim_k_steep_radius_mm", k.steep_radius_mm);
        row.set("sim_k_steep_axis_deg", k.steep_axis_deg);
    }
    for (kind, map) in KINDS.iter().zip(exam.maps) {
        row.set(kind.column, Cell::Map(map));
    }
    let device = device("ms39")?;
    let table = &device.tables()[0];
    let mut file = device.write(table.name, &batch(&table.schema, vec![row])?, layout)?;
    if let Some(fault) = day.ms39_faults[side] {
        file = fault.in_file(file, draw);
    }
    let path = format!(
        "ms39/{}/MS39^{}^{}^{}^{}T{}00^{eye}.csv",
        date.year(),
        patient.last_name,
        patient.first_name,
        patient.number,
        date.format("%Y%m%d"),
        clock(minute, ""),
    );
    Ok((path, file))
}

pub(super) fn identify(row: &mut Row, patient: &Patient, date: NaiveDate) {
    row.set("exam_date", date);
    row.set("patient_number", patient.number.clone());
    row.set("patient_last_name", patient.last_name);
    row.set("patient_first_name", patient.first_name);
    row.set("patient_birth_date", patient.birth_date);
    row.set("patient_sex", patient.sex);
}

/// The three Pentacam files of one exam with their paths, in the order of [`pentacam::FILES`].
pub(super) fn pentacam_files(
    patient: &Patient,
    side: usize,
    day: &Day,
    draw: &mut super::random::Draw,
) -> Result<Vec<(String, Vec<u8>)>> {
    let eye = if side == 1 { "OS" } else { "OD" };
    let date = day.visit.date;
    let minute = day.visit.minute + 20 + 2 * side as u32;
    let device = device("pentacam")?;
    let table = &device.tables()[0];
    let rows = pentacam::measure(&patient.eyes[side], day.visit.years, draw);
    let files = rows.into_iter().zip(pentacam::FILES).zip(day.pentacam_faults[side]).map(|((mut row, (_, ending)), fault)| {
        identify(&mut row, patient, date);
        row.set("eye", eye);
        row.set("exam_time", clock(minute, ":"));
        let mut file = device.write(table.name, &batch(&table.schema, vec![row])?, "1.16")?;
        if let Some(fault) = fault {
            file = fault.in_file(file, draw);
        }
        let (last, first) = (patient.last_name, patient.first_name);
        let name = format!("{last}_{first}_{eye}_{}_{}_{ending}.CSV", date.format("%d%m%Y"), clock(minute, ""));
        Ok((format!("pentacam/{}/{name}", patient.number), file))
    });
    files.collect()
}

/// The curves of the Corvis measurement that `table` is the row of, and the path of their file.
pub(super) fn curves_file(
    patient: &Patient,
    side: usize,
    day: &Day,
    table: &Row,
    draw: &mut super::random::Draw,
) -> Result<(String, Vec<u8>)> {
    let device = device("corvis_st_curve")?;
    let own = &device.tables()[0];
    let mut row = super::curves::measure(table, draw);
    identify(&mut row, patient, day.visit.date);
    let eye = if side == 1 { "OS" } else { "OD" };
    row.set("eye", eye);
    row.set("exam_time", table.text("exam_time").to_owned());
    let mut file = device.write(own.name, &batch(&own.schema, vec![row])?, "placido-1")?;
    if let Some(fault) = day.curves_faults[side] {
        file = fault.in_file(file, draw);
    }
    Ok((format!("corvis_st/curves/{}_{}_{eye}.csv", patient.number, day.visit.date.format("%Y%m%d")), file))
}

/// The Sirius file of one exam and its path. The export does not say whose it is; the name that people gave it does.
pub(super) fn sirius_file(
    patient: &Patient,
    side: usize,
    day: &Day,
    draw: &mut super::random::Draw,
) -> Result<(String, Vec<u8>)> {
    let device = device("sirius")?;
    let table = &device.tables()[0];
    let exam = Exam::new(&patient.eyes[side], day.visit.years, draw);
    let mut row = Row::default();
    for (kind, map) in KINDS.iter().zip(exam.maps) {
        row.set(kind.column, Cell::Map(map));
    }
    let mut file = device.write(table.name, &batch(&table.schema, vec![row])?, "phoenix")?;
    if let Some(fault) = day.sirius_faults[side] {
        file = fault.in_file(file, draw);
    }
    let eye = if side == 1 { "OS" } else { "OD" };
    Ok((format!("sirius/{}_{}_{eye}.csv", patient.number, day.visit.date.format("%Y%m%d")), file))
}

fn clock(minute: u32, separator: &str) -> String {
    format!("{:02}{separator}{:02}", minute / 60, minute % 60)
}

/// Files that lie on every hospital's share and belong to no device: a note, a document, an empty table, for each 40 patients.
fn foreign(patients: usize) -> Vec<(String, Vec<u8>, Truth)> {
    let mut files = Vec::new();
    for number in 1..=patients.div_ceil(40) {
        let note = "Export du vendredi : vérifier le lecteur réseau.\r\nAppeler le support si le dossier est vide.\r\n";
        let mut document = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n".to_vec();
        document.extend((0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8));
        for (name, bytes, fault, issue) in [
            (format!("divers/lisez-moi_{number:03}.txt"), note.as_bytes().to_vec(), "foreign_note", IssueCode::FileUnknown),
            (format!("divers/compte-rendu_{number:03}.pdf"), document, "foreign_document", IssueCode::FileUnknown),
            (format!("divers/export_{number:03}.csv"), Vec::new(), "foreign_empty", IssueCode::FileEmpty),
        ] {
            let truth = Truth { foreign: Some((fault, issue)), ..Truth::sheet("", name.clone(), None) };
            files.push((name, bytes, truth));
        }
    }
    files
}

fn device(name: &'static str) -> Result<&'static dyn Device> {
    devices::by_name(name).ok_or_else(|| Error::Layout { device: name, message: "the device is not in the list".to_owned() })
}

/// Writes a file below the lake; its size.
fn save(lake: &Path, path: &str, bytes: &[u8]) -> Result<u64> {
    let path = lake.join(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|source| io(parent, source))?;
    }
    write_file(&path, bytes)?;
    Ok(bytes.len() as u64)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|source| io(path, source))
}

fn io(path: &Path, source: std::io::Error) -> Error {
    Error::Io { path: path.display().to_string(), source }
}
