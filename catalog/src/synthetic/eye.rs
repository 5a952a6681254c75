//! Virtual eyes: what stays the same between exams, how a disease changes it, and the cornea on a given day.
//!
//! Distances are in mm in the frame of a right eye: +x is nasal, +y superior; a left eye is mirrored when its surfaces are
//! made. Means and spreads of healthy eyes are those of physiological_bounds and of the papers it cites (CCT 540 ± 32 µm,
//! epithelium 53 ± 2.4 µm, Q −0.22 ± 0.10); the shapes of the diseases are ours, made to look like the textbook picture, and no
//! model of their course.

use super::maps::Cornea;
use super::random::Draw;
use super::surface::{Polynomial, Surface, Term, ZERNIKES};

/// The classes of the simulated hospital.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Diagnosis {
    Normal,
    Keratoconus,
    SubclinicalKeratoconus,
    PellucidMarginalDegeneration,
    PostRefractiveSurgery,
    FuchsDystrophy,
    PostKeratoplasty,
}

impl Diagnosis {
    /// The word in the truth files, and in `diagnosis` of `clinic_visit`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Keratoconus => "keratoconus",
            Self::SubclinicalKeratoconus => "subclinical_keratoconus",
            Self::PellucidMarginalDegeneration => "pellucid_marginal_degeneration",
            Self::PostRefractiveSurgery => "post_refractive_surgery",
            Self::FuchsDystrophy => "fuchs_dystrophy",
            Self::PostKeratoplasty => "post_keratoplasty",
        }
    }
}

/// What both eyes of a patient share: fellow eyes differ by a third of the spread between patients.
#[derive(Debug, Clone)]
pub(super) struct Constitution {
    radius_mm: f64,
    asphericity: f64,
    posterior_ratio: f64,
    thickness_mm: f64,
    epithelium_um: f64,
    chamber_mm: f64,
    cylinder_d: f64,
    flat_axis_deg: f64,
    /// Axial refractive error, D.
    axial_d: f64,
    pub iop_mmhg: f64,
    /// Stiffness of the tissue in standard deviations, thickness apart.
    stiffness: f64,
    lid_mm: f64,
    pupil_mm: (f64, f64),
}

impl Constitution {
    pub(super) fn new(draw: &mut Draw, age: f64) -> Self {
        // With the rule in the young, against it in the old.
        let against = draw.chance(0.1 + 0.6 * ((age - 45.0) / 35.0).clamp(0.0, 1.0));
        Self {
            radius_mm: draw.normal(7.79, 0.23),
            asphericity: draw.normal(-0.22, 0.08),
            posterior_ratio: draw.normal(0.828, 0.009),
            thickness_mm: draw.normal(0.541, 0.029),
            epithelium_um: draw.normal(53.0, 2.2),
            chamber_mm: draw.normal(3.05, 0.28) - 0.008 * (age - 40.0),
            cylinder_d: 0.7 * super::elementary::exp(draw.normal(0.0, 0.45)),
            flat_axis_deg: draw.normal(if against { 90.0 } else { 0.0 }, 12.0),
            axial_d: if draw.chance(0.35) { draw.normal(-2.6, 1.5) } else { draw.normal(0.1, 0.8) },
            iop_mmhg: draw.normal(15.5, 2.2),
            stiffness: draw.normal(0.01 * (age - 45.0), 0.8),
            lid_mm: draw.normal(4.6, 0.55),
            pupil_mm: (draw.normal(-0.16, 0.09), draw.normal(0.03, 0.08)),
        }
    }
}

/// One eye: its own constitution and the disease.
#[derive(Debug, Clone)]
pub(super) struct Eye {
    pub left: bool,
    pub diagnosis: Diagnosis,
    own: Constitution,
    /// 0 to 1 at the first visit.
    severity: f64,
    /// Change of the severity a year.
    progression: f64,
    /// Place and width of cone, graft, ablation or oedema.
    site: Site,
    /// Irregularities of the two surfaces, mm, on a disc of 5 mm.
    irregular_anterior: [f64; ZERNIKES],
    irregular_posterior: [f64; ZERNIKES],
    /// Where the thinnest point of a healthy cornea lies.
    thinnest_mm: (f64, f64),
    /// Posterior toricity, 1/mm.
    posterior_toric_per_mm: f64,
    /// Epithelium: inferior minus superior at 3 mm, µm.
    epithelium_tilt_um: f64,
    /// Astigmatism of the lens against the rule, D.
    pub lens_cylinder_d: f64,
}

#[derive(Debug, Clone, Copy)]
struct Site {
    x_mm: f64,
    y_mm: f64,
    width_mm: f64,
    axis_deg: f64,
    /// Depth of an ablation, height of a graft's edge, mm.
    depth_mm: f64,
    zone_mm: f64,
    /// Part of the disease that shows in front, against what shows behind: 1 on average.
    front: f64,
}

/// How one exam differs from the next although the eye is the same.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Repeatability {
    pub torsion_deg: f64,
    pub x_mm: f64,
    pub y_mm: f64,
    pub radius: f64,
    pub thickness_um: f64,
    pub epithelium_um: f64,
    pub chamber_mm: f64,
    /// Low orders of tear film and alignment, mm, on a disc of 5 mm.
    pub front: [f64; ZERNIKES],
    pub back: [f64; ZERNIKES],
}

impl Repeatability {
    /// Sizes as published for anterior-segment OCT topographers: keratometry about 0.12 D, thickness 2 µm, epithelium
    /// 0.9 µm within subject; an irregular cornea repeats two to three times worse.
    pub(super) fn new(draw: &mut Draw, irregular: bool) -> Self {
        let worse = if irregular { 2.2 } else { 1.0 };
        let mut front = [0.0; ZERNIKES];
        let mut back = [0.0; ZERNIKES];
        for j in 3..15 {
            front[j] = draw.normal(0.0, 0.00025 * worse);
            back[j] = draw.normal(0.0, 0.0006 * worse);
        }
        Self {
            torsion_deg: draw.normal(0.0, 1.5),
            x_mm: draw.normal(0.0, 0.03 * worse),
            y_mm: draw.normal(0.0, 0.03 * worse),
            radius: draw.normal(0.0, 0.0018),
            thickness_um: draw.normal(0.0, 1.6 * worse),
            epithelium_um: draw.normal(0.0, 0.8 * worse),
            chamber_mm: draw.normal(0.0, 0.02),
            front,
            back,
        }
    }
}

impl Eye {
    /// An eye of a patient aged `age` at the first visit. `severity` from 0 to 1.
    pub(super) fn new(draw: &mut Draw, shared: &Constitution, left: bool, diagnosis: Diagnosis, severity: f64, age: f64) -> Self {
        use Diagnosis as D;
        let mut own = shared.clone();
        own.radius_mm += draw.normal(0.0, 0.06);
        own.asphericity += draw.normal(0.0, 0.03);
        own.posterior_ratio += draw.normal(0.0, 0.004);
        own.thickness_mm += draw.normal(0.0, 0.006);
        own.epithelium_um += draw.normal(0.0, 0.8);
        own.chamber_mm += draw.normal(0.0, 0.05);
        own.cylinder_d = (own.cylinder_d + draw.normal(0.0, 0.2)).max(0.02);
        own.flat_axis_deg += draw.normal(0.0, 8.0);
        own.axial_d += draw.normal(0.0, 0.4);
        own.iop_mmhg += draw.normal(0.0, 0.8);
        own.stiffness += draw.normal(0.0, 0.25);
        own.lid_mm += draw.normal(0.0, 0.25);
        own.pupil_mm.0 += draw.normal(0.0, 0.04);
        own.pupil_mm.1 += draw.normal(0.0, 0.04);

        let (irregular_front, irregular_back) = match diagnosis {
            D::Normal | D::SubclinicalKeratoconus => (1.0, 1.0),
            D::Keratoconus => (1.8, 1.6),
            D::PellucidMarginalDegeneration => (1.5, 1.2),
            D::PostRefractiveSurgery => (1.2, 1.0),
            D::FuchsDystrophy => (1.1, 3.0),
            D::PostKeratoplasty => (5.5, 3.0),
        };
        let irregular_anterior = irregularities(draw, irregular_front);
        let irregular_posterior = irregularities(draw, 1.4 * irregular_back);

        let mut site = Site {
            x_mm: draw.normal(-0.45, 0.35),
            y_mm: draw.normal(-0.95, 0.4),
            width_mm: draw.normal(1.2, 0.12),
            axis_deg: draw.between(0.0, 180.0),
            depth_mm: 0.0,
            zone_mm: 0.0,
            front: draw.between(0.75, 1.25),
        };
        let mut progression = 0.0;
        match diagnosis {
            D::Keratoconus | D::SubclinicalKeratoconus => {
                own.thickness_mm -= 0.012;
                own.axial_d = own.axial_d.min(1.0) - draw.between(0.0, 1.5);
                // Active in the young, and not in all of them.
                if draw.chance(0.6) {
                    progression = draw.between(0.01, 0.09) * ((42.0 - age) / 22.0).clamp(0.0, 1.0);
                }
            }
            D::PellucidMarginalDegeneration => {
                own.thickness_mm -= 0.008;
                site.x_mm = draw.normal(0.0, 0.35);
                site.y_mm = draw.normal(-2.35, 0.3);
                site.width_mm = draw.normal(2.3, 0.2);
                site.axis_deg = draw.normal(0.0, 6.0);
                progression = draw.between(0.0, 0.02);
            }
            D::PostRefractiveSurgery => {
                // Dioptres that were corrected; the zone includes the transition.
                let corrected = draw.between(1.8, 8.0);
                site.x_mm = draw.normal(-0.05, 0.1);
                site.y_mm = draw.normal(0.0, 0.1);
                site.zone_mm = draw.normal(4.35, 0.18);
                site.depth_mm = corrected * site.zone_mm * site.zone_mm / (4.0 * 376.0);
                own.axial_d = draw.normal(-0.15, 0.5);
                own.thickness_mm = own.thickness_mm.max(0.515) + 0.006;
            }
            D::FuchsDystrophy => {
                site.x_mm = draw.normal(0.0, 0.5);
                site.y_mm = draw.normal(0.0, 0.5);
                site.width_mm = draw.normal(2.7, 0.3);
                progression = draw.between(0.0, 0.05);
                own.stiffness -= 0.2;
            }
            D::PostKeratoplasty => {
                site.x_mm = draw.normal(0.0, 0.2);
                site.y_mm = draw.normal(0.0, 0.2);
                site.zone_mm = draw.normal(3.9, 0.12);
                site.width_mm = draw.normal(0.62, 0.06);
                site.depth_mm = draw.between(0.003, 0.010);
                own.cylinder_d = draw.between(1.8, 8.0);
                own.flat_axis_deg = draw.between(0.0, 180.0);
                own.radius_mm = draw.normal(7.65, 0.33);
                own.asphericity = draw.normal(-0.1, 0.3);
                own.thickness_mm = draw.normal(0.550, 0.040);
                own.axial_d = draw.normal(-1.5, 2.5);
                own.stiffness -= 0.3;
            }
            D::Normal => {}
        }
        Self {
            left,
            diagnosis,
            severity,
            progression,
            site,
            irregular_anterior,
            irregular_posterior,
            thinnest_mm: (draw.normal(-0.42, 0.2), draw.normal(-0.28, 0.2)),
            posterior_toric_per_mm: draw.normal(0.0065, 0.0025),
            epithelium_tilt_um: draw.normal(2.6, 1.2),
            lens_cylinder_d: draw.normal(0.5, 0.25),
            own,
        }
    }

    /// How far the disease has come, `years` after the first visit: 0 to 1.
    pub(super) fn severity(&self, years: f64) -> f64 {
        (self.severity + self.progression * years).clamp(0.0, 1.0)
    }

    /// True intraocular pressure, mmHg.
    pub(super) fn iop_mmhg(&self) -> f64 {
        self.own.iop_mmhg
    }

    /// Stiffness of the tissue in standard deviations, the disease included, thickness apart.
    pub(super) fn stiffness(&self, years: f64) -> f64 {
        use Diagnosis as D;
        let severity = self.severity(years);
        let disease = match self.diagnosis {
            D::Keratoconus => 0.9 + 1.9 * severity,
            D::SubclinicalKeratoconus => 0.5 + 1.2 * severity,
            D::PellucidMarginalDegeneration => 0.6 + 1.3 * severity,
            D::PostRefractiveSurgery => 0.6,
            D::PostKeratoplasty | D::FuchsDystrophy => 0.3,
            D::Normal => 0.0,
        };
        self.own.stiffness - disease
    }

    /// Refractive error that does not come from the cornea, D.
    pub(super) fn axial_d(&self) -> f64 {
        self.own.axial_d
    }

    /// Height of the upper lid above the apex while the exam is taken, mm.
    pub(super) fn lid_mm(&self) -> f64 {
        self.own.lid_mm
    }

    /// Centre of the pupil as the device prints it, in the examiner's frame.
    pub(super) fn pupil_mm(&self) -> (f64, f64) {
        (if self.left { -self.own.pupil_mm.0 } else { self.own.pupil_mm.0 }, self.own.pupil_mm.1)
    }

    /// Whether exams of this eye repeat worse than those of a regular one.
    pub(super) fn is_irregular(&self) -> bool {
        !matches!(self.diagnosis, Diagnosis::Normal | Diagnosis::SubclinicalKeratoconus | Diagnosis::FuchsDystrophy)
    }

    /// The cornea `years` after the first visit, as an exam with that `error` sees it.
    pub(super) fn cornea(&self, years: f64, error: &Repeatability) -> Cornea {
        let severity = self.severity(years);
        let own = &self.own;
        let radius = own.radius_mm * (1.0 + error.radius);
        let flat = 1.0 / radius - 0.5 * own.cylinder_d / super::maps::KERATOMETRIC;
        let axis_deg = own.flat_axis_deg + error.torsion_deg;
        let posterior_mean = 1.0 / (radius * own.posterior_ratio);
        let mut anterior = vec![Term::Biconic {
            flat_per_mm: flat,
            steep_per_mm: flat + own.cylinder_d / super::maps::KERATOMETRIC,
            asphericity: own.asphericity,
            axis_deg,
        }];
        // The back of a cornea is steep vertically whatever its front does; a graft's sutures turn both.
        let (toric, posterior_axis) = if self.diagnosis == Diagnosis::PostKeratoplasty {
            (0.8 * own.cylinder_d / super::maps::KERATOMETRIC, axis_deg)
        } else {
            (self.posterior_toric_per_mm, error.torsion_deg + 0.3 * own.flat_axis_deg.clamp(-30.0, 30.0))
        };
        let mut posterior = vec![Term::Biconic {
            flat_per_mm: posterior_mean - 0.5 * toric,
            steep_per_mm: posterior_mean + 0.5 * toric,
            asphericity: own.asphericity - 0.28,
            axis_deg: posterior_axis,
        }];
        let mut epithelium = Vec::new();
        self.disease(severity, error, &mut anterior, &mut posterior, &mut epithelium);

        let mut front = self.irregular_anterior;
        let mut back = self.irregular_posterior;
        for j in 0..ZERNIKES {
            front[j] += error.front[j];
            // Most of what is irregular in front is so behind too.
            back[j] += error.back[j] + 0.8 * front[j];
        }
        let mut back = Polynomial::zernike(&back, 5.0);
        back.add(0, 0, own.thickness_mm + error.thickness_um * 1e-3);
        // Thickness grows by half of this times the squared distance from its thinnest point.
        let growth = posterior_mean - 1.0 / radius;
        back.add(1, 0, -growth * self.thinnest_mm.0);
        back.add(0, 1, -growth * self.thinnest_mm.1);

        let mut layer = Polynomial::default();
        layer.add(0, 0, (own.epithelium_um + error.epithelium_um) * 1e-3);
        layer.add(0, 1, -self.epithelium_tilt_um * 1e-3 / 6.0);
        layer.add(2, 0, -0.00006);
        layer.add(0, 2, -0.00008);

        let surface = |terms, polynomial| Surface { terms, polynomial, mirrored: self.left };
        Cornea {
            anterior: surface(anterior, Polynomial::zernike(&front, 5.0)),
            epithelium: surface(epithelium, layer),
            posterior: surface(posterior, back),
            chamber_mm: own.chamber_mm + error.chamber_mm,
            lens_radius_mm: 10.8,
        }
    }

    /// Adds what the disease does to the two surfaces and to the epithelium.
    fn disease(
        &self,
        severity: f64,
        error: &Repeatability,
        anterior: &mut Vec<Term>,
        posterior: &mut Vec<Term>,
        epithelium: &mut Vec<Term>,
    ) {
        use Diagnosis as D;
        let site = self.site;
        let (x_mm, y_mm) = (site.x_mm + error.x_mm, site.y_mm + error.y_mm);
        let bump = |height_mm, width_u_mm, width_v_mm, y_mm| Term::Bump {
            height_mm,
            x_mm,
            y_mm,
            width_u_mm,
            width_v_mm,
            axis_deg: site.axis_deg,
        };
        match self.diagnosis {
            D::Normal => {}
            D::SubclinicalKeratoconus => {
                // Behind first, and hardly in front.
                let front = 0.0075 * severity * site.front;
                let back = front + 0.006 + 0.026 * severity;
                anterior.push(bump(-front, site.width_mm, site.width_mm * 0.92, y_mm));
                posterior.push(bump(-back, site.width_mm * 1.1, site.width_mm, y_mm));
                epithelium.push(bump(-0.0025 * severity, 0.9, 0.9, y_mm));
            }
            D::Keratoconus => {
                let front = (0.007 + 0.068 * severity * (0.4 + 0.6 * severity)) * site.front;
                let back = 1.3 * front + 0.016 + 0.045 * severity;
                let width = site.width_mm - 0.22 * severity;
                // An oval cone, so that the cornea becomes astigmatic too.
                anterior.push(bump(-front, width * 1.2, width * 0.8, y_mm));
                posterior.push(bump(-back, width * 1.25, width * 0.9, y_mm));
                // Thin over the cone, thick around it.
                let thin = 0.004 + 0.011 * severity;
                let thick = 0.002 + 0.005 * severity;
                epithelium.push(bump(-thin - thick, 0.85, 0.8, y_mm));
                epithelium.push(bump(thick, 1.9, 1.8, y_mm));
            }
            D::PellucidMarginalDegeneration => {
                let front = (0.016 + 0.045 * severity) * site.front;
                let back = front + 0.03 + 0.07 * severity;
                anterior.push(bump(-front, site.width_mm, 0.9, y_mm));
                // The thin band lies below the bulge.
                posterior.push(bump(-back, site.width_mm, 1.1, y_mm - 0.55));
                epithelium.push(bump(-0.004 - 0.006 * severity, 1.8, 0.7, y_mm - 0.3));
            }
            D::PostRefractiveSurgery => {
                let removed = Term::Ablation { depth_mm: site.depth_mm, x_mm, y_mm, zone_mm: site.zone_mm };
                anterior.push(removed);
                let thick = 0.0015 + 0.06 * site.depth_mm;
                epithelium.push(bump(thick, 2.3, 2.3, y_mm));
            }
            D::FuchsDystrophy => {
                let swelling = 0.012 + 0.105 * severity;
                posterior.push(bump(swelling, site.width_mm, site.width_mm * 0.9, y_mm));
                epithelium.push(bump(0.001 + 0.006 * severity, 2.5, 2.5, y_mm));
            }
            D::PostKeratoplasty => {
                let edge = |height_mm, radius_mm| Term::Ridge { height_mm, x_mm, y_mm, radius_mm, width_mm: site.width_mm };
                anterior.push(edge(-site.depth_mm, site.zone_mm));
                posterior.push(edge(0.8 * site.depth_mm, site.zone_mm - 0.1));
                epithelium.push(edge(0.004, site.zone_mm));
            }
        }
    }
}

/// Irregularities of a surface in mm: coma, trefoil and higher orders of a healthy cornea, times `size`.
fn irregularities(draw: &mut Draw, size: f64) -> [f64; ZERNIKES] {
    const SD_UM: [f64; 7] = [0.0, 0.0, 0.0, 1.35, 0.7, 0.5, 0.4];
    let mut coefficients = [0.0; ZERNIKES];
    let mut j = 0;
    for (order, sd) in SD_UM.iter().enumerate() {
        for _ in 0..=order {
            coefficients[j] = draw.normal(0.0, sd * 1e-3 * size);
            j += 1;
        }
    }
    // A superior lid presses: vertical coma has a mean.
    coefficients[7] -= 0.0004;
    coefficients
}
