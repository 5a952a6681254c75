//! Refraction and astigmatism as vectors.

/// A refraction as a power vector (Thibos 1997), in dioptres: sphere equivalent and the two Jackson cross-cylinders.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerVector {
    /// Spherical equivalent.
    pub m: f64,
    /// Cross-cylinder with axes 0° and 90°.
    pub j0: f64,
    /// Cross-cylinder with axes 45° and 135°.
    pub j45: f64,
}

/// A refraction as it is written on a prescription: sphere and cylinder in dioptres, axis in degrees, 1 to 180.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpheroCylinder {
    /// Sphere, D.
    pub sphere: f64,
    /// Cylinder, D.
    pub cylinder: f64,
    /// Axis, degrees in (0, 180].
    pub axis: f64,
}

/// Which sign the cylinder is written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CylinderForm {
    /// Negative cylinder, as optometrists write.
    Minus,
    /// Positive cylinder, as many surgeons write.
    Plus,
}

/// An axis brought into (0, 180], where clinicians write 180 rather than 0.
pub fn wrap_axis(degrees: f64) -> f64 {
    let wrapped = degrees.rem_euclid(180.0);
    if wrapped == 0.0 { 180.0 } else { wrapped }
}

impl PowerVector {
    /// `M = S + C/2`, `J0 = −(C/2) cos 2A`, `J45 = −(C/2) sin 2A`.
    pub fn of(refraction: SpheroCylinder) -> Self {
        let (sin, cos) = (2.0 * refraction.axis).to_radians().sin_cos();
        let half = 0.5 * refraction.cylinder;
        Self { m: refraction.sphere + half, j0: -half * cos, j45: -half * sin }
    }

    /// The refraction in one of its two written forms. A vector without astigmatism gets axis 180.
    pub fn sphero_cylinder(self, form: CylinderForm) -> SpheroCylinder {
        let half = self.j0.hypot(self.j45);
        let axis = 0.5 * self.j45.atan2(self.j0).to_degrees();
        match form {
            CylinderForm::Minus => SpheroCylinder { sphere: self.m + half, cylinder: -2.0 * half, axis: wrap_axis(axis) },
            CylinderForm::Plus => SpheroCylinder { sphere: self.m - half, cylinder: 2.0 * half, axis: wrap_axis(axis + 90.0) },
        }
    }

    /// The dioptric power matrix, rows first: `[M + J0, J45, J45, M − J0]` (Long 1976, Keating 1980). Times a decentration in cm
    /// it gives the prism, by Prentice's rule.
    pub fn matrix(self) -> [f64; 4] {
        [self.m + self.j0, self.j45, self.j45, self.m - self.j0]
    }

    /// Length of the vector: the blur strength, D.
    pub fn blur_strength(self) -> f64 {
        (self.m * self.m + self.j0 * self.j0 + self.j45 * self.j45).sqrt()
    }
}

impl std::ops::Add for PowerVector {
    type Output = Self;

    /// The power of two thin lenses in contact: crossed cylinders.
    fn add(self, other: Self) -> Self {
        Self { m: self.m + other.m, j0: self.j0 + other.j0, j45: self.j45 + other.j45 }
    }
}

impl SpheroCylinder {
    /// The same refraction with the other sign of cylinder.
    pub fn transposed(self) -> Self {
        Self { sphere: self.sphere + self.cylinder, cylinder: -self.cylinder, axis: wrap_axis(self.axis + 90.0) }
    }

    /// The same correction at another distance from the eye: both principal powers go through [`vertex`].
    pub fn vertexed(self, distance_mm: f64) -> Option<Self> {
        let sphere = vertex(self.sphere, distance_mm)?;
        let other = vertex(self.sphere + self.cylinder, distance_mm)?;
        Some(Self { sphere, cylinder: other - sphere, axis: self.axis })
    }
}

/// Power of a lens moved towards the eye by `distance_mm` (away for a negative distance): `F / (1 − d F)`. `None` where the
/// result is not finite.
pub fn vertex(power_d: f64, distance_mm: f64) -> Option<f64> {
    let moved = power_d / (1.0 - 1e-3 * distance_mm * power_d);
    moved.is_finite().then_some(moved)
}

/// Double-angle components `(m cos 2a, m sin 2a)` of an astigmatism of magnitude `m` at axis `a` (plus cylinder, the steep
/// meridian), in dioptres.
pub fn double_angle(magnitude_d: f64, axis_deg: f64) -> (f64, f64) {
    let (sin, cos) = (2.0 * axis_deg).to_radians().sin_cos();
    (magnitude_d * cos, magnitude_d * sin)
}

/// An astigmatism: magnitude in dioptres and the axis of its plus cylinder in degrees, (0, 180].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Astigmatism {
    /// Magnitude, D.
    pub magnitude: f64,
    /// Axis of the plus cylinder, degrees.
    pub axis: f64,
}

impl Astigmatism {
    /// The astigmatism with the double-angle components `x` and `y`; axis 180 where it has none.
    pub fn from_vector((x, y): (f64, f64)) -> Self {
        Self { magnitude: x.hypot(y), axis: wrap_axis(0.5 * y.atan2(x).to_degrees()) }
    }
}

/// The Alpins (1993, 2001) analysis of an astigmatic operation; see [`alpins`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alpins {
    /// Target induced astigmatism: target − preoperative.
    pub tia: Astigmatism,
    /// Surgically induced astigmatism: postoperative − preoperative.
    pub sia: Astigmatism,
    /// Difference vector: target − postoperative.
    pub dv: Astigmatism,
    /// |SIA| − |TIA|, D.
    pub magnitude_error: f64,
    /// Axis of SIA minus axis of TIA, degrees in [−90, 90), positive counter-clockwise.
    pub angle_error: f64,
    /// |SIA| / |TIA|.
    pub correction_index: f64,
    /// |TIA| / |SIA|; `None` where nothing was induced.
    pub coefficient_of_adjustment: Option<f64>,
    /// |DV| / |TIA|.
    pub index_of_success: f64,
    /// |SIA| cos 2AE, D.
    pub flattening_effect: f64,
    /// Flattening effect / |TIA|.
    pub flattening_index: f64,
    /// |SIA| sin 2AE, D.
    pub torque: f64,
}

/// Compares what an operation aimed at with what it did. Arguments as plus cylinder at the steep meridian. `None` where the
/// target equals the preoperative state, so that no ratio is defined.
pub fn alpins(pre: Astigmatism, target: Astigmatism, post: Astigmatism) -> Option<Alpins> {
    let vector = |a: Astigmatism| double_angle(a.magnitude, a.axis);
    let minus = |a: (f64, f64), b: (f64, f64)| Astigmatism::from_vector((a.0 - b.0, a.1 - b.1));
    let (pre, target, post) = (vector(pre), vector(target), vector(post));
    let (tia, sia, dv) = (minus(target, pre), minus(post, pre), minus(target, post));
    if tia.magnitude.is_nan() || tia.magnitude <= 0.0 {
        return None;
    }
    let angle_error = (sia.axis - tia.axis + 90.0).rem_euclid(180.0) - 90.0;
    let (sin, cos) = (2.0 * angle_error).to_radians().sin_cos();
    Some(Alpins {
        tia,
        sia,
        dv,
        magnitude_error: sia.magnitude - tia.magnitude,
        angle_error,
        correction_index: sia.magnitude / tia.magnitude,
        coefficient_of_adjustment: (sia.magnitude > 0.0).then(|| tia.magnitude / sia.magnitude),
        index_of_success: dv.magnitude / tia.magnitude,
        flattening_effect: sia.magnitude * cos,
        flattening_index: sia.magnitude * cos / tia.magnitude,
        torque: sia.magnitude * sin,
    })
}

/// Polar values of Næser (1990): the part of an astigmatism that acts along a meridian and the part at 45° to it, D.
pub fn naeser(magnitude_d: f64, axis_deg: f64, meridian_deg: f64) -> (f64, f64) {
    double_angle(magnitude_d, axis_deg - meridian_deg)
}
