//! Clinical records as people type them: acuity, refraction and diagnosis of one eye on one day, in French or English.
//!
//! Notations are those of formats.md §6. What stands here is legal if messy; real faults are added by [`super::fault`].

use chrono::{Datelike, NaiveDate};

use super::elementary::{exp10, log10, sin_cos_deg};
use super::exam::Findings;
use super::eye::{Diagnosis, Eye};
use super::patient::Habits;
use super::random::Draw;
use super::record::Row;

/// How one clinic sheet is kept: the device's layout and the habits of whoever types it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Desk {
    /// French, day first.
    Consultation,
    /// English, ISO dates.
    Research,
    /// English, month first.
    Fellowship,
}

impl Desk {
    /// Layout of the device `clinic`.
    pub(super) fn layout(self) -> &'static str {
        match self {
            Self::Consultation => "fr",
            Self::Research | Self::Fellowship => "en",
        }
    }

    /// Beginning of the file's name.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Consultation => "consultations",
            Self::Research => "research_visits",
            Self::Fellowship => "fellow_clinic",
        }
    }

    fn is_french(self) -> bool {
        matches!(self, Self::Consultation)
    }
}

/// What is measured at a visit, before anybody types it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vision {
    pub uncorrected_logmar: f64,
    pub corrected_logmar: f64,
    /// Subjective refraction with a negative cylinder in quarter dioptres; axis 1 to 180, 0 without cylinder.
    pub sphere_d: f64,
    pub cylinder_d: f64,
    pub axis_deg: f64,
    pub near_parinaud: f64,
    pub iop_mmhg: f64,
}

impl Vision {
    pub(super) fn new(eye: &Eye, years: f64, age: f64, findings: &Findings, draw: &mut Draw) -> Self {
        use Diagnosis as D;
        let severity = eye.severity(years);
        let k = &findings.keratometry;
        // Regular part: the cornea's cylinder and the lens against the rule, as power vectors.
        let (sin, cos) = sin_cos_deg(2.0 * k.flat_axis_deg);
        let corneal = 0.9 * k.cylinder_d();
        let (lens, noise) = (eye.lens_cylinder_d, 0.12);
        // A negative cylinder lies along the flat meridian; against the rule it lies vertically.
        let j0 = 0.5 * corneal * cos - 0.5 * lens + draw.normal(0.0, noise);
        let j45 = 0.5 * corneal * sin + draw.normal(0.0, noise);
        let magnitude = 2.0 * (j0 * j0 + j45 * j45).sqrt();
        let cylinder_d = -quarter(magnitude);
        let ectasia = matches!(eye.diagnosis, D::Keratoconus | D::PostKeratoplasty | D::PellucidMarginalDegeneration);
        let steepening = if ectasia { (k.mean_d() - 43.4).clamp(-4.0, 12.0) * 0.75 } else { 0.0 };
        let equivalent = eye.axial_d() - steepening + draw.normal(0.0, 0.2);
        let sphere_d = quarter(equivalent - 0.5 * cylinder_d);
        let axis_deg = if cylinder_d == 0.0 {
            0.0
        } else {
            let axis = (0.5 * super::elementary::atan2_deg(j45, j0)).rem_euclid(180.0);
            let typed = (axis / 5.0).round() * 5.0;
            if typed <= 0.0 { 180.0 } else { typed }
        };
        let organic = match eye.diagnosis {
            D::FuchsDystrophy => 0.05 + 0.4 * severity * severity,
            D::PostKeratoplasty => 0.14,
            D::Keratoconus => 0.08 * severity,
            _ => 0.0,
        };
        let old = 0.004 * (age - 60.0).max(0.0);
        let irregular = 0.085 * (findings.irregularity_d - 0.45).max(0.0);
        let corrected_logmar = (-0.07 + organic + old + irregular.min(0.9) + draw.normal(0.0, 0.05)).clamp(-0.2, 1.7);
        let accommodation = if equivalent > 0.0 { (0.12 * (50.0 - age)).clamp(0.0, 3.0) } else { 0.0 };
        let blur = (equivalent.abs() - accommodation).max(0.0) + 0.55 * cylinder_d.abs();
        let uncorrected_logmar = (corrected_logmar + 0.30 * blur / (1.0 + 0.08 * blur)).clamp(corrected_logmar, 2.1);
        let near = 2.0 * exp10((corrected_logmar - 0.05).max(0.0));
        Self {
            uncorrected_logmar,
            corrected_logmar,
            sphere_d,
            cylinder_d,
            axis_deg,
            near_parinaud: near,
            iop_mmhg: (eye.iop_mmhg() + draw.normal(0.0, 1.2)).round().clamp(6.0, 40.0),
        }
    }
}

fn quarter(value: f64) -> f64 {
    (value * 4.0).round() / 4.0
}

/// The typed row of one eye.
pub(super) fn type_row(desk: Desk, day: NaiveDate, eye: &Eye, vision: &Vision, habits: &Habits, draw: &mut Draw) -> Row {
    let mut row = Row::default();
    row.set("exam_date", day);
    row.set("visit_date_text", date_text(desk, day, draw));
    row.set("eye", if eye.left { "OS" } else { "OD" });
    row.set("eye_text", eye_text(desk, eye.left, draw));
    if draw.chance(0.82) {
        row.set("udva_text", acuity_text(desk, vision.uncorrected_logmar, draw));
    }
    if draw.chance(0.96) {
        row.set("cdva_text", acuity_text(desk, vision.corrected_logmar, draw));
    }
    if draw.chance(if desk.is_french() { 0.6 } else { 0.25 }) {
        row.set("near_va_text", near_text(vision.near_parinaud));
    }
    if draw.chance(0.9) {
        refraction(desk, vision, &mut row, draw);
    }
    if draw.chance(0.8) {
        row.set("iop_mmhg", vision.iop_mmhg);
    }
    // One label in seventeen is not typed, and a few are those of the neighbouring class.
    if draw.chance(0.94) {
        let believed = believed(eye.diagnosis, draw);
        row.set("diagnosis_text", diagnosis_text(desk, believed, draw));
    }
    for (column, flag) in [
        ("eye_rubbing", habits.eye_rubbing),
        ("atopy", habits.atopy),
        ("family_history_kc", habits.family_history),
        ("contact_lens", habits.contact_lens),
    ] {
        if draw.chance(0.7) {
            row.set(column, flag);
        }
    }
    if draw.chance(0.15) {
        row.set("notes", note(desk, draw));
    }
    row
}

/// What the physician takes the eye for: the truth, but for a few suspects and early cones.
fn believed(truth: Diagnosis, draw: &mut Draw) -> Diagnosis {
    use Diagnosis as D;
    match truth {
        D::SubclinicalKeratoconus => {
            draw.weighted(&[(D::SubclinicalKeratoconus, 0.94), (D::Normal, 0.04), (D::Keratoconus, 0.02)])
        }
        D::Normal if draw.chance(0.01) => D::SubclinicalKeratoconus,
        D::PellucidMarginalDegeneration if draw.chance(0.03) => D::Keratoconus,
        other => other,
    }
}

fn date_text(desk: Desk, day: NaiveDate, draw: &mut Draw) -> String {
    let (y, m, d) = (day.year(), day.month(), day.day());
    match desk {
        Desk::Consultation => match draw.weighted(&[(0, 0.75), (1, 0.12), (2, 0.08), (3, 0.05)]) {
            0 => format!("{d:02}/{m:02}/{y}"),
            1 => format!("{d}/{m}/{y}"),
            2 => format!("{d:02}.{m:02}.{:02}", y % 100),
            _ => format!("{y}-{m:02}-{d:02}"),
        },
        Desk::Research => format!("{y}-{m:02}-{d:02}"),
        Desk::Fellowship if draw.chance(0.8) => format!("{m:02}/{d:02}/{y}"),
        Desk::Fellowship => format!("{m}/{d}/{y}"),
    }
}

fn eye_text(desk: Desk, left: bool, draw: &mut Draw) -> &'static str {
    let words: &[(&str, f64)] = match (desk.is_french(), left) {
        (true, false) => &[("OD", 0.7), ("od", 0.08), ("D", 0.08), ("droit", 0.06), ("Oeil droit", 0.03), ("OD ", 0.05)],
        (true, true) => {
            &[("OG", 0.62), ("OS", 0.08), ("og", 0.08), ("G", 0.08), ("gauche", 0.06), ("Oeil gauche", 0.03), ("OG ", 0.05)]
        }
        (false, false) => &[("OD", 0.7), ("R", 0.15), ("right", 0.1), ("RE", 0.05)],
        (false, true) => &[("OS", 0.7), ("L", 0.15), ("left", 0.1), ("LE", 0.05)],
    };
    draw.weighted(words)
}

/// A distance acuity as it is typed. Below 1/50 fingers are counted, below that the hand is seen to move.
pub(super) fn acuity_text(desk: Desk, logmar: f64, draw: &mut Draw) -> String {
    let decimal = exp10(-logmar);
    if desk.is_french() { monoyer(decimal, draw) } else { english(logmar, decimal, draw) }
}

fn monoyer(decimal: f64, draw: &mut Draw) -> String {
    if decimal < 0.011 {
        return draw.pick(&["VBLM", "MDM", "vblm"]).to_owned();
    }
    if decimal < 0.022 {
        return draw.pick(&["CLD", "CLD à 1 m", "compte les doigts", "cld"]).to_owned();
    }
    if decimal < 0.075 {
        return if decimal < 0.035 { "1/50" } else { "1/20" }.to_owned();
    }
    let tenths = (decimal * 10.0).round().clamp(1.0, 16.0) as u32;
    // The chart has no 11, 13, 14 or 15 tenths.
    let tenths = match tenths {
        11 => 10,
        13 => 12,
        14 | 15 => 16,
        other => other,
    };
    match draw.weighted(&[(0, 0.72), (1, 0.12), (2, 0.06), (3, 0.04), (4, 0.06)]) {
        0 => format!("{tenths}/10"),
        1 => decimal_text(tenths, ','),
        2 => format!("{tenths} / 10"),
        3 => format!("{tenths}/10 f"),
        _ => decimal_text(tenths, '.'),
    }
}

fn decimal_text(tenths: u32, mark: char) -> String {
    format!("{}{mark}{}", tenths / 10, tenths % 10)
}

fn english(logmar: f64, decimal: f64, draw: &mut Draw) -> String {
    const FEET: [u32; 14] = [13, 15, 20, 25, 30, 40, 50, 60, 70, 80, 100, 150, 200, 400];
    if decimal < 0.011 {
        return draw.pick(&["HM", "hand motion", "HM"]).to_owned();
    }
    if decimal < 0.03 {
        return draw.pick(&["CF", "counting fingers", "CF@3"]).to_owned();
    }
    let nearest = |charts: &[f64]| {
        charts
            .iter()
            .copied()
            .min_by(|a, b| (log10(*a) - log10(20.0 / decimal)).abs().total_cmp(&(log10(*b) - log10(20.0 / decimal)).abs()))
            .unwrap_or(20.0)
    };
    match draw.weighted(&[(0, 0.55), (1, 0.12), (2, 0.15), (3, 0.1), (4, 0.08)]) {
        0 => format!("20/{}", nearest(&FEET.map(f64::from))),
        1 => format!("20/{}{}", nearest(&FEET.map(f64::from)), draw.pick(&["+1", "+2", "-1", "-2"])),
        2 => {
            // Lines of the metric chart, by their distance in feet.
            let metres = [
                (15.0, "6/4.5"),
                (20.0, "6/6"),
                (25.0, "6/7.5"),
                (30.0, "6/9"),
                (40.0, "6/12"),
                (60.0, "6/18"),
                (80.0, "6/24"),
                (120.0, "6/36"),
                (200.0, "6/60"),
                (400.0, "3/60"),
            ];
            let line = nearest(&metres.map(|(feet, _)| feet));
            metres.iter().find(|(feet, _)| *feet == line).map_or("6/6", |(_, text)| text).to_owned()
        }
        3 => {
            let letters = (85.0 - 50.0 * logmar).round().clamp(2.0, 100.0);
            format!("{letters} letters")
        }
        _ => {
            let hundredths = (logmar * 50.0).round() * 2.0;
            let sign = if hundredths < 0.0 { "-" } else { "" };
            format!("logMAR {sign}{}.{:02}", (hundredths.abs() as u32) / 100, (hundredths.abs() as u32) % 100)
        }
    }
}

fn near_text(parinaud: f64) -> String {
    const CHART: [(f64, &str); 9] = [
        (1.5, "P1.5"),
        (2.0, "P2"),
        (3.0, "P3"),
        (4.0, "P4"),
        (5.0, "P5"),
        (6.0, "P6"),
        (8.0, "P8"),
        (10.0, "P10"),
        (14.0, "P14"),
    ];
    CHART.iter().find(|(size, _)| *size >= parinaud - 0.25).map_or("P20", |(_, text)| text).to_owned()
}

fn refraction(desk: Desk, vision: &Vision, row: &mut Row, draw: &mut Draw) {
    let (mut sphere, mut cylinder, mut axis) = (vision.sphere_d, vision.cylinder_d, vision.axis_deg);
    // One physician of the fellowship writes positive cylinders.
    if desk == Desk::Fellowship && cylinder != 0.0 {
        sphere += cylinder;
        cylinder = -cylinder;
        axis = if axis <= 90.0 { axis + 90.0 } else { axis - 90.0 };
    }
    let zero = if desk.is_french() { "plan" } else { "plano" };
    row.set("sphere_text", if sphere == 0.0 && draw.chance(0.6) { zero.to_owned() } else { dioptres(desk, sphere, draw) });
    if cylinder != 0.0 {
        row.set("cylinder_text", dioptres(desk, cylinder, draw));
        let sign = if draw.chance(0.25) { "°" } else { "" };
        row.set("axis_text", format!("{axis}{sign}"));
    }
}

fn dioptres(desk: Desk, value: f64, draw: &mut Draw) -> String {
    let hundredths = (value.abs() * 100.0).round() as u32;
    let sign = if value < 0.0 {
        "-"
    } else if value > 0.0 && draw.chance(0.7) {
        "+"
    } else {
        ""
    };
    let mark = if desk.is_french() && draw.chance(0.85) { ',' } else { '.' };
    let unit = if draw.chance(0.04) { " D" } else { "" };
    format!("{sign}{}{mark}{:02}{unit}", hundredths / 100, hundredths % 100)
}

fn diagnosis_text(desk: Desk, diagnosis: Diagnosis, draw: &mut Draw) -> &'static str {
    use Diagnosis as D;
    let words: &[&str] = match (desk.is_french(), diagnosis) {
        (true, D::Normal) => &["normal", "Normal", "RAS", "œil sain", "cornée normale"],
        (true, D::Keratoconus) => &["KC", "kératocône", "Kératocône", "KC stade 2", "keratocone", "KC évolutif"],
        (true, D::SubclinicalKeratoconus) => {
            &["KC infraclinique", "forme fruste", "KC fruste", "kératocône infraclinique", "suspicion de KC"]
        }
        (true, D::PellucidMarginalDegeneration) => &["DMP", "dégénérescence marginale pellucide", "DMP"],
        (true, D::PostRefractiveSurgery) => &["LASIK", "PKR", "post LASIK", "ATCD chirurgie réfractive", "opéré PKR"],
        (true, D::FuchsDystrophy) => &["cornea guttata", "Fuchs", "dystrophie de Fuchs", "guttata"],
        (true, D::PostKeratoplasty) => &["KT", "greffe de cornée", "KT", "DALK", "kératoplastie transfixiante"],
        (false, D::Normal) => &["normal", "healthy", "WNL", "Normal"],
        (false, D::Keratoconus) => &["keratoconus", "KC", "KCN", "Keratoconus", "KC grade 2"],
        (false, D::SubclinicalKeratoconus) => &["subclinical keratoconus", "FFKC", "forme fruste keratoconus", "KC suspect"],
        (false, D::PellucidMarginalDegeneration) => &["PMD", "pellucid marginal degeneration"],
        (false, D::PostRefractiveSurgery) => &["post LASIK", "s/p PRK", "LASIK", "post SMILE"],
        (false, D::FuchsDystrophy) => &["Fuchs dystrophy", "FECD", "Fuchs"],
        (false, D::PostKeratoplasty) => &["PKP", "s/p PKP", "DALK", "post keratoplasty"],
    };
    draw.pick(words)
}

fn note(desk: Desk, draw: &mut Draw) -> &'static str {
    const FRENCH: [&str; 6] = [
        "revoir dans 6 mois",
        "frotte les yeux ; éviction expliquée",
        "BAV progressive",
        "topo du jour",
        "à revoir avec OCT",
        "patient dit \"mieux\" avec lentilles",
    ];
    const ENGLISH: [&str; 5] = [
        "follow up 6 months",
        "rubs eyes, advised against",
        "blurred vision",
        "topography today",
        "patient says \"better\" with CL",
    ];
    if desk.is_french() { draw.pick(&FRENCH) } else { draw.pick(&ENGLISH) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acuities_are_typed_near_their_value() {
        let mut draw = Draw::new(3, 3);
        for step in 0..15 {
            let logmar = -0.1 + 0.1 * f64::from(step);
            for _ in 0..50 {
                let text = acuity_text(Desk::Research, logmar, &mut draw);
                let Some((numerator, rest)) = text.split_once('/') else { continue };
                let denominator: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
                let (Ok(a), Ok(b)) = (numerator.parse::<f64>(), denominator.parse::<f64>()) else { continue };
                assert!(((b / a).log10() - logmar).abs() <= 0.16, "{text} for {logmar}");
            }
        }
    }
}
