"""Curvature of irregular surfaces and the wavefront error of two corneal surfaces, written to surface_curvature.json and
corneal_wavefront_total.json. Needs numpy, scipy, sympy and mpmath. Derivatives are symbolic, curvatures are eigenvalues of the
shape operator, rays are traced with 30 digits."""
import json

import mpmath as mp
import numpy as np
import scipy.optimize
import sympy as sp

mp.mp.dps = 30
X, Y = sp.symbols("x y", real=True)
R = sp.Rational
N_CORNEA, N_AQUEOUS = mp.mpf("1.376"), mp.mpf("1.336")


def conic(x, y, radius, q, root=sp.sqrt):
    s = x * x + y * y
    return s / (radius + root(radius * radius - (1 + q) * s))


def biconic():
    a = sp.pi / 18
    u, v = X * sp.cos(a) + Y * sp.sin(a), -X * sp.sin(a) + Y * sp.cos(a)
    c1, c2 = R(10, 79), R(10, 75)
    return (c1 * u * u + c2 * v * v) / (1 + sp.sqrt(1 - R(8, 10) * c1**2 * u * u - R(7, 10) * c2**2 * v * v))


CONE = R(5, 100) * sp.exp(-((X - R(6, 10)) ** 2 + (Y + R(12, 10)) ** 2) / (2 * R(81, 100)))
SURFACES = {
    "S3": biconic(),
    "S4": conic(X, Y, R(78, 10), R(-1, 4)) - CONE,
    "S6": conic(X - R(3, 10), Y + R(1, 5), R(65, 10), R(-3, 10)) + R(1, 1000) * X**3 - R(2, 1000) * X * Y**2,
}
DERIVATIVES = {
    name: [sp.lambdify((X, Y), sp.diff(e, *d) if d else e, "mpmath") for d in ((), (X,), (Y,), (X, X), (X, Y), (Y, Y))]
    for name, e in SURFACES.items()
}


def place(ring, k):
    r, t = mp.mpf(ring) / 5, 2 * mp.pi * k / 256
    return r, mp.cos(t), mp.sin(t)


def curvature(name, ring, k):
    r, c, s = place(ring, k)
    z, zx, zy, zxx, zxy, zyy = [f(r * c, r * s) for f in DERIVATIVES[name]]
    slope, second = zx * c + zy * s, zxx * c * c + 2 * zxy * c * s + zyy * s * s
    w = mp.sqrt(1 + zx**2 + zy**2)
    first_form = mp.matrix([[1 + zx**2, zx * zy], [zx * zy, 1 + zy**2]])
    shape = first_form**-1 * (mp.matrix([[zxx, zxy], [zxy, zyy]]) / w)
    half, product = (shape[0, 0] + shape[1, 1]) / 2, mp.det(shape)
    k1, k2 = half + mp.sqrt(half**2 - product), half - mp.sqrt(half**2 - product)
    out = snell([mp.mpf(0), mp.mpf(0), mp.mpf(1)], zx, zy, 1 / N_CORNEA)
    focus = z - DERIVATIVES[name][0](mp.mpf(0), mp.mpf(0)) + r * out[2] / -(out[0] * c + out[1] * s)
    return [
        r * mp.sqrt(1 + slope**2) / slope,
        (1 + slope**2) ** mp.mpf(1.5) / second,
        1 / mp.sqrt(k1 * k2),
        2 / (k1 + k2),
        1000 * N_CORNEA / focus,
    ]


def snell(d, zx, zy, ratio):
    """The component along the surface scales by the ratio of the indices; the rest follows from the unit length."""
    w = mp.sqrt(1 + zx**2 + zy**2)
    n = [-zx / w, -zy / w, 1 / w]
    cosine = sum(a * b for a, b in zip(d, n))
    along = [ratio * (a - cosine * b) for a, b in zip(d, n)]
    return [a + mp.sqrt(1 - sum(v * v for v in along)) * b for a, b in zip(along, n)]


def surface_of(radius, q, x0=0, y0=0):
    def at(x, y):
        dx, dy = x - x0, y - y0
        root = mp.sqrt(radius * radius - (1 + q) * (dx * dx + dy * dy))
        return (dx * dx + dy * dy) / (radius + root), dx / root, dy / root

    height = at(mp.mpf(0), mp.mpf(0))[0]
    return lambda x, y: (at(x, y)[0] - height, *at(x, y)[1:])


def trace(front, back, thickness, focus, x, y):
    z, zx, zy = front(x, y)
    d1 = snell([mp.mpf(0), mp.mpf(0), mp.mpf(1)], zx, zy, 1 / N_CORNEA)
    path = mp.findroot(lambda s: z + s * d1[2] - thickness - back(x + s * d1[0], y + s * d1[1])[0], thickness)
    at = [x + path * d1[0], y + path * d1[1], z + path * d1[2]]
    d2 = snell(d1, *back(at[0], at[1])[1:], N_CORNEA / N_AQUEOUS)
    centre = [mp.mpf(0), mp.mpf(0), thickness + focus]
    distance = lambda q: mp.sqrt(sum((p + q * d - c) ** 2 for p, d, c in zip(at, d2, centre))) - abs(focus)
    rest = mp.findroot(distance, mp.mpf("-0.3") if x * x + y * y > 0.5 else mp.mpf("-0.001"))
    return 1000 * (N_CORNEA * thickness - (z + N_CORNEA * path + N_AQUEOUS * rest))


def back_focus(r1, r2, t):
    """Back focal length of the thick lens, from its system matrix."""
    p1, p2 = (N_CORNEA - 1) / r1, (N_AQUEOUS - N_CORNEA) / r2
    return N_AQUEOUS * (1 - t / N_CORNEA * p1) / (p1 + p2 - t / N_CORNEA * p1 * p2)


def case(name, front, back, t, r1, r2, radius, spec, rotational):
    t = mp.mpf(t)
    focus = back_focus(mp.mpf(r1), mp.mpf(r2), t)
    points = []
    for ring, k in ((5, 0), (10, 32), (15, 0), (15, 64), (15, 100), (15, 200), (8, 150), (12, 230)):
        if ring * 0.2 <= radius + 1e-9:
            r, c, s = place(ring, k)
            points.append([ring, k, float(trace(front, back, t, focus, r * c, r * s))])
    coefficients = None
    if rotational:
        rings = round(radius / 0.2)
        w = [0.0] + [float(trace(front, back, t, focus, mp.mpf(i) / 5, mp.mpf(0))) for i in range(1, rings + 1)]
        p = np.arange(rings + 1) * 0.2 / radius
        basis = [p**0, 3**0.5 * (2 * p**2 - 1), 5**0.5 * (6 * p**4 - 6 * p**2 + 1), 7**0.5 * (20 * p**6 - 30 * p**4 + 12 * p**2 - 1)]
        coefficients = [float(v) for v in np.linalg.lstsq(np.stack(basis, 1), np.array(w), rcond=None)[0]][1:]
    return {
        "name": name, "spec": spec, "thickness_mm": float(t), "radius_mm": radius, "focus_mm": float(focus),
        "points": points, "z20_z40_z60_um": coefficients,
    }  # fmt: skip


def apical_radius(z, x, y, weight):
    """Of the conic of least vertical residual on the 6 mm disc, area weights."""
    residual = lambda p: np.sqrt(weight) * (conic(x, y, p[0], p[1], np.sqrt) + p[2] - z)
    return repr(float(scipy.optimize.least_squares(residual, [7, -0.2, 0], xtol=1e-15, ftol=1e-15, gtol=1e-15).x[0]))


def main():
    rows = [
        [name, ring, k, *[float("%.15g" % v) for v in curvature(name, ring, k)]]
        for name in SURFACES
        for ring in (1, 2, 5, 9, 14, 20, 25, 28, 30)
        for k in (0, 11, 40, 77, 128, 150, 200, 233)
    ]
    columns = ["surface", "ring", "meridian", "axial_mm", "tangential_mm", "gaussian_mm", "mean_mm", "refractive_d"]
    text = json.dumps({"columns": columns, "indices": [1.0, 1.376], "rows": rows}, separators=(",", ":"))
    open("surface_curvature.json", "w").write(text.replace("],[", "],\n[") + "\n")

    cases = []
    for r1, q1, r2, q2, t, radius in ((7.8, 0.0, 6.5, 0.0, 0.55, 3.0), (7.8, -0.25, 6.5, -0.3, 0.55, 3.0), (7.6, -0.1, 6.3, -0.6, 0.5, 2.0)):
        exact = [mp.mpf(str(v)) for v in (r1, q1, r2, q2)]
        front, back = surface_of(*exact[:2]), surface_of(*exact[2:])
        name = f"conics {r1} {q1} / {r2} {q2}"
        cases.append(case(name, front, back, str(t), str(r1), str(r2), radius, [r1, q1, r2, q2], True))
    ring, k = np.repeat(np.arange(16), 256), np.tile(np.arange(256), 16)
    r, angle = ring * 0.2, 2 * np.pi * k / 256
    x, y = r * np.cos(angle), r * np.sin(angle)
    weight = np.minimum(r + 0.1, 3) ** 2 - np.maximum(r - 0.1, 0) ** 2
    r1 = apical_radius(sp.lambdify((X, Y), SURFACES["S3"], "numpy")(x, y), x, y, weight)
    r2 = apical_radius(conic(x - 0.2, y + 0.1, 6.4, -0.35, np.sqrt), x, y, weight)
    front = lambda x, y: tuple(f(x, y) for f in DERIVATIVES["S3"][:3])
    back = surface_of(*[mp.mpf(v) for v in ("6.4", "-0.35", "0.2", "-0.1")])
    cases.append(case("S3 / decentred conic", front, back, "0.53", r1, r2, 3.0, [6.4, -0.35, 0.2, -0.1], False))
    definition = (
        "parallel beam along z; optical path to the sphere around the paraxial focus through the posterior vertex; W = path of the "
        "axial ray minus path of the ray, um; indices 1, 1.376, 1.336; place = point on the front surface"
    )
    open("corneal_wavefront_total.json", "w").write(json.dumps({"definition": definition, "cases": cases}, indent=1) + "\n")


main()
