//! Virtual patients: who they are, their two eyes, and when they came.
//!
//! Names are invented and plainly fictitious.

use chrono::{Datelike, Days, NaiveDate};

use super::eye::{Constitution, Diagnosis, Eye};
use super::random::Draw;

/// One patient.
#[derive(Debug, Clone)]
pub(super) struct Patient {
    /// Place in the hospital, from 0.
    pub index: usize,
    /// The hospital's number, in every file.
    pub number: String,
    pub last_name: &'static str,
    pub first_name: &'static str,
    /// `M` or `F`.
    pub sex: &'static str,
    pub birth_date: NaiveDate,
    /// Right, then left.
    pub eyes: [Eye; 2],
    pub visits: Vec<Visit>,
    pub habits: Habits,
}

/// What raises the risk of keratoconus.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    pub eye_rubbing: bool,
    pub atopy: bool,
    pub family_history: bool,
    pub contact_lens: bool,
}

/// One day in the clinic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visit {
    pub date: NaiveDate,
    /// Since the first visit.
    pub years: f64,
    /// Start of the exams, minutes after midnight.
    pub minute: u32,
}

/// Streams of a patient's random numbers, so that a change in one part of the hospital leaves the others as they were.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Person,
    Eyes,
    Exam,
    Corvis,
    Clinic,
    Eyetop,
    Fault,
    Damage,
    Hospital,
    /// Which other tomographers were used, and what went wrong with their files.
    Tomographs,
    Pentacam,
    Sirius,
    Curves,
}

impl Purpose {
    /// The stream of this purpose for the patient at `index`.
    pub(super) fn draw(self, seed: u64, index: usize) -> Draw {
        Draw::new(seed, (index as u64) << 4 | self as u64)
    }
}

const LAST_NAMES: [&str; 36] = [
    "ALÉATOIRE",
    "ANONYME",
    "APERÇU",
    "BROUILLON",
    "CALCULÉ",
    "CANEVAS",
    "D'ESSAI",
    "DE L'EXEMPLE",
    "DÉMO",
    "ÉBAUCHE",
    "ÉCHANTILLON",
    "ESSAI",
    "EXEMPLE",
    "FACTICE",
    "FEINT",
    "FICTIF",
    "GABARIT",
    "HYPOTHÈSE",
    "IMAGINAIRE",
    "INVENTÉ",
    "LE FAUX",
    "MAQUETTE",
    "MODÈLE",
    "PERSONNE",
    "PROTOTYPE",
    "SCHÉMA",
    "SIMULÉ",
    "SPÉCIMEN",
    "SUPPOSÉ",
    "SYNTHÈSE",
    "TÉMOIN",
    "TESTEUR",
    "VARIANTE",
    "VIRTUEL",
    "PSEUDO",
    "SAMPLE",
];
const FIRST_NAMES_F: [&str; 12] =
    ["Zoé", "Inès", "Chloé", "Léa", "Jeanne", "Élise", "Noémie", "Anaïs", "Maëlle", "Agathe", "Lucie", "Marie-Ève"];
const FIRST_NAMES_M: [&str; 12] =
    ["Noé", "Léo", "Rémi", "Théo", "Jérôme", "Loïc", "Hugo", "Paul", "Gaël", "Aurèle", "Cédric", "Jean-René"];

/// What brings a patient to a corneal clinic, and how often.
const REFERRALS: [(Referral, f64); 7] = [
    (Referral::Healthy, 0.25),
    (Referral::Keratoconus, 0.28),
    (Referral::Suspect, 0.10),
    (Referral::Pellucid, 0.09),
    (Referral::Refractive, 0.12),
    (Referral::Fuchs, 0.09),
    (Referral::Graft, 0.07),
];

#[derive(Debug, Clone, Copy)]
enum Referral {
    Healthy,
    Keratoconus,
    Suspect,
    Pellucid,
    Refractive,
    Fuchs,
    Graft,
}

impl Patient {
    /// The patient at `index` of the hospital `seed`.
    pub(super) fn new(seed: u64, index: usize) -> Self {
        let mut draw = Purpose::Person.draw(seed, index);
        let referral = draw.weighted(&REFERRALS);
        let (low, high) = match referral {
            Referral::Healthy => (19.0, 72.0),
            Referral::Keratoconus | Referral::Suspect => (15.0, 42.0),
            Referral::Pellucid => (30.0, 62.0),
            Referral::Refractive => (23.0, 52.0),
            Referral::Fuchs => (48.0, 82.0),
            Referral::Graft => (26.0, 78.0),
        };
        let age = draw.between(low, high);
        let visits = visits(&mut draw);
        let first = visits.first().map_or_else(NaiveDate::default, |visit| visit.date);
        let birth_date = first - Days::new((age * 365.25) as u64);
        let female = draw.chance(if matches!(referral, Referral::Fuchs) { 0.68 } else { 0.48 });
        let habits = habits(&mut draw, referral);
        Self {
            index,
            number: format!("P{:010}", 1000 + index),
            last_name: draw.pick(&LAST_NAMES),
            first_name: if female { draw.pick(&FIRST_NAMES_F) } else { draw.pick(&FIRST_NAMES_M) },
            sex: if female { "F" } else { "M" },
            birth_date,
            eyes: eyes(&mut Purpose::Eyes.draw(seed, index), referral, age),
            visits,
            habits,
        }
    }

    /// Age in whole years on a day.
    pub(super) fn age(&self, day: NaiveDate) -> i32 {
        let before = (day.month(), day.day()) < (self.birth_date.month(), self.birth_date.day());
        day.year() - self.birth_date.year() - i32::from(before)
    }
}

/// About two visits, some eight months apart, from 2021 to the spring of 2026.
fn visits(draw: &mut Draw) -> Vec<Visit> {
    const LAST_DAY: u64 = 1930;
    let count = draw.weighted(&[(1, 0.36), (2, 0.33), (3, 0.19), (4, 0.12)]);
    let origin = NaiveDate::from_ymd_opt(2021, 1, 4).unwrap_or_default();
    let start = draw.below(1600) as u64;
    let mut day = start;
    let mut visits = Vec::new();
    while visits.len() < count && day < LAST_DAY {
        let mut date = origin + Days::new(day);
        // No clinic on Saturday and Sunday.
        while date.weekday().num_days_from_monday() > 4 {
            date = date + Days::new(1);
        }
        let minute = 8 * 60 + draw.below(540) as u32;
        visits.push(Visit { date, years: (day - start) as f64 / 365.25, minute });
        day += 90 + draw.below(300) as u64;
    }
    visits
}

fn habits(draw: &mut Draw, referral: Referral) -> Habits {
    let ectasia = matches!(referral, Referral::Keratoconus | Referral::Suspect);
    Habits {
        eye_rubbing: draw.chance(if ectasia { 0.55 } else { 0.15 }),
        atopy: draw.chance(if ectasia { 0.42 } else { 0.2 }),
        family_history: draw.chance(if ectasia { 0.13 } else { 0.01 }),
        contact_lens: draw.chance(match referral {
            Referral::Keratoconus | Referral::Pellucid => 0.45,
            Referral::Fuchs | Referral::Refractive => 0.05,
            _ => 0.2,
        }),
    }
}

fn eyes(draw: &mut Draw, referral: Referral, age: f64) -> [Eye; 2] {
    use Diagnosis as D;
    let shared = Constitution::new(draw, age);
    // The worse eye, its fellow, and how far each has come.
    let (worse, fellow) = match referral {
        Referral::Healthy => (D::Normal, D::Normal),
        Referral::Keratoconus => (
            D::Keratoconus,
            draw.weighted(&[
                (D::Keratoconus, 0.58),
                (D::SubclinicalKeratoconus, 0.32),
                (D::Normal, 0.04),
                (D::PostKeratoplasty, 0.06),
            ]),
        ),
        Referral::Suspect => (D::SubclinicalKeratoconus, draw.weighted(&[(D::SubclinicalKeratoconus, 0.7), (D::Normal, 0.3)])),
        Referral::Pellucid => {
            (D::PellucidMarginalDegeneration, draw.weighted(&[(D::PellucidMarginalDegeneration, 0.85), (D::Normal, 0.15)]))
        }
        Referral::Refractive => (D::PostRefractiveSurgery, draw.weighted(&[(D::PostRefractiveSurgery, 0.93), (D::Normal, 0.07)])),
        Referral::Fuchs => (D::FuchsDystrophy, draw.weighted(&[(D::FuchsDystrophy, 0.93), (D::PostKeratoplasty, 0.07)])),
        Referral::Graft => (
            D::PostKeratoplasty,
            draw.weighted(&[(D::Keratoconus, 0.4), (D::FuchsDystrophy, 0.25), (D::Normal, 0.2), (D::PostKeratoplasty, 0.15)]),
        ),
    };
    let right_is_worse = draw.chance(0.5);
    let burden = draw.unit();
    let mut eye = |left: bool, diagnosis: Diagnosis, fellow: bool| {
        let level = 0.6 * burden + 0.4 * draw.unit();
        let severity = match diagnosis {
            // Mild ones are more frequent, and the fellow eye lags behind.
            D::Keratoconus if fellow => 0.05 + 0.6 * level * level,
            D::Keratoconus => 0.10 + 0.88 * level * level,
            _ => level,
        };
        Eye::new(draw, &shared, left, diagnosis, severity, age)
    };
    if right_is_worse {
        [eye(false, worse, false), eye(true, fellow, true)]
    } else {
        [eye(false, fellow, true), eye(true, worse, false)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patients_are_plausible_and_classes_frequent_enough() {
        let patients: Vec<Patient> = (0..2000).map(|index| Patient::new(5, index)).collect();
        let mut eyes = std::collections::BTreeMap::new();
        for patient in &patients {
            for (place, eye) in patient.eyes.iter().enumerate() {
                assert_eq!(eye.left, place == 1);
                *eyes.entry(eye.diagnosis).or_insert(0) += 1;
            }
            assert!(patient.visits.windows(2).all(|pair| pair[0].date < pair[1].date));
            for visit in &patient.visits {
                assert!((15..=90).contains(&patient.age(visit.date)));
                assert!((2021..=2026).contains(&visit.date.year()));
            }
        }
        assert_eq!(eyes.len(), 7);
        assert!(eyes.values().all(|&n| n > 4000 / 20), "{eyes:?}");
        let visits: usize = patients.iter().map(|patient| patient.visits.len()).sum();
        assert!((1.8..2.2).contains(&(visits as f64 / 2000.0)));
    }

    #[test]
    fn fellow_eyes_resemble_each_other() {
        let error = super::super::eye::Repeatability::default();
        let pairs: Vec<(f64, f64)> = (0..3000)
            .map(|index| Patient::new(5, index))
            .filter(|patient| patient.eyes.iter().all(|eye| eye.diagnosis == Diagnosis::Normal))
            .map(|patient| {
                let [right, left] = &patient.eyes;
                (right.cornea(0.0, &error).thickness_um(0.0, 0.0), left.cornea(0.0, &error).thickness_um(0.0, 0.0))
            })
            .collect();
        let n = pairs.len() as f64;
        let (ma, mb) = (pairs.iter().map(|p| p.0).sum::<f64>() / n, pairs.iter().map(|p| p.1).sum::<f64>() / n);
        let cov = pairs.iter().map(|p| (p.0 - ma) * (p.1 - mb)).sum::<f64>();
        let (va, vb) =
            (pairs.iter().map(|p| (p.0 - ma).powi(2)).sum::<f64>(), pairs.iter().map(|p| (p.1 - mb).powi(2)).sum::<f64>());
        // Thickness of fellow eyes correlates at about 0.95 in the literature; anything below 0.85 would be two patients.
        assert!(cov / (va * vb).sqrt() > 0.85);
    }
}
