//! What is done at each visit, and what goes wrong with it: decided before anything is computed.

use super::clinic::Desk;
use super::fault::{Fault, pick};
use super::patient::{Patient, Purpose, Visit};

/// One visit: which exports there are, and the fault of each. Arrays hold the right eye first.
#[derive(Debug, Clone)]
pub(super) struct Day {
    pub visit: Visit,
    /// Eyes that the MS-39 exported.
    pub ms39: [bool; 2],
    pub corvis: bool,
    /// The sheet that the visit is typed into.
    pub desk: Option<Desk>,
    /// Whether the older topographer was used too.
    pub eyetop: bool,
    pub ms39_faults: [Option<&'static Fault>; 2],
    pub corvis_faults: [Option<&'static Fault>; 2],
    pub clinic_faults: [Option<&'static Fault>; 2],
    pub eyetop_faults: [Option<&'static Fault>; 2],
    /// Other tomographers that were used too.
    pub pentacam: bool,
    pub sirius: bool,
    /// A fault for each of the three files of an eye.
    pub pentacam_faults: [[Option<&'static Fault>; 3]; 2],
    pub sirius_faults: [Option<&'static Fault>; 2],
    /// Whether the curves of the Corvis were exported too.
    pub curves: bool,
    pub curves_faults: [Option<&'static Fault>; 2],
}

/// Every eighth patient was seen with the Pentacam too, every sixteenth with the Sirius, at the first visit; every eighth has the
/// curves of the Corvis. Enough for all of their faults in a hospital of a thousand, and few against the files of the MS-39.
const PENTACAM_EVERY: usize = 8;
const SIRIUS_EVERY: usize = 16;
const CURVES_EVERY: usize = 8;

/// The visits of a patient.
pub(super) fn plan(seed: u64, patient: &Patient) -> Vec<Day> {
    let mut draw = Purpose::Fault.draw(seed, patient.index);
    let mut others = Purpose::Tomographs.draw(seed, patient.index);
    let desk = draw.weighted(&[(Desk::Consultation, 0.6), (Desk::Research, 0.25), (Desk::Fellowship, 0.15)]);
    let eyetop = draw.chance(0.08);
    patient
        .visits
        .iter()
        .enumerate()
        .map(|(number, &visit)| {
            let mut faults = |device, unit| [pick(device, unit, &mut draw), pick(device, unit, &mut draw)];
            let (ms39_faults, corvis_faults) = (faults("ms39", "file"), faults("corvis_st", "row"));
            let (clinic_faults, eyetop_faults) = (faults("clinic", "row"), faults("cso_eyetop", "file"));
            let pentacam_faults = [(); 2].map(|()| [(); 3].map(|()| pick("pentacam", "file", &mut others)));
            let sirius_faults = [(); 2].map(|()| pick("sirius", "file", &mut others));
            let curves_faults = [(); 2].map(|()| pick("corvis_st_curve", "file", &mut others));
            let ms39 = [draw.chance(0.98), draw.chance(0.98)];
            let corvis = draw.chance(0.88);
            Day {
                visit,
                ms39,
                corvis,
                desk: draw.chance(0.95).then_some(desk),
                eyetop: eyetop && number == 0,
                ms39_faults,
                corvis_faults,
                clinic_faults,
                eyetop_faults,
                pentacam: patient.index % PENTACAM_EVERY == 2 && number == 0,
                sirius: patient.index % SIRIUS_EVERY == 5 && number == 0,
                pentacam_faults,
                sirius_faults,
                curves: corvis && patient.index % CURVES_EVERY == 3,
                curves_faults,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::fault::FAULTS;
    use super::*;

    /// Every fault of files and rows that patients have occurs in a hospital of 3,000, at its rate.
    #[test]
    fn every_fault_occurs_at_its_rate() {
        type Use = (&'static str, &'static str, bool, Option<&'static Fault>);
        let mut counts: BTreeMap<(&str, &str, &str), f64> = BTreeMap::new();
        let mut units: BTreeMap<(&str, &str), f64> = BTreeMap::new();
        for index in 0..3000 {
            for day in plan(1, &Patient::new(1, index)) {
                let mut uses: Vec<Use> = Vec::new();
                for side in 0..2 {
                    uses.push(("ms39", "file", day.ms39[side], day.ms39_faults[side]));
                    uses.push(("corvis_st", "row", day.corvis, day.corvis_faults[side]));
                    uses.push(("clinic", "row", day.desk.is_some(), day.clinic_faults[side]));
                    uses.push(("cso_eyetop", "file", day.eyetop, day.eyetop_faults[side]));
                    uses.push(("sirius", "file", day.sirius, day.sirius_faults[side]));
                    uses.push(("corvis_st_curve", "file", day.curves, day.curves_faults[side]));
                    uses.extend(day.pentacam_faults[side].map(|fault| ("pentacam", "file", day.pentacam, fault)));
                }
                for (device, unit, _, fault) in uses.into_iter().filter(|(_, _, used, _)| *used) {
                    *units.entry((device, unit)).or_default() += 1.0;
                    if let Some(fault) = fault {
                        *counts.entry((device, unit, fault.name)).or_default() += 1.0;
                    }
                }
            }
        }
        for fault in FAULTS {
            // Faults of whole sheets are decided when the sheets are written.
            if fault.unit() == "file" && matches!(fault.device, "clinic" | "corvis_st") {
                continue;
            }
            let n = units[&(fault.device, fault.unit())];
            let got = counts.get(&(fault.device, fault.unit(), fault.name)).copied().unwrap_or(0.0);
            assert!(got > 0.0, "{} of {} never occurs", fault.name, fault.device);
            let sd = (n * fault.rate * (1.0 - fault.rate)).sqrt();
            assert!((got - n * fault.rate).abs() < 4.5 * sd, "{} of {}: {got} in {n}", fault.name, fault.device);
        }
    }
}
