"""Trains kc_dx, the seven-class model of an eye's diagnosis, from SQL over the wire.

    placido generate hospital --patients 700 --seed 20260
    placido --data hospital serve --listen 127.0.0.1:5450
    pip install -r requirements.txt
    python train.py --dsn "host=127.0.0.1 port=5450 user=placido dbname=placido" --hospital "700 patients, seed 20260" --out .

The network reads raw columns of gold.eye_features: imputation, standardisation and clipping are nodes of its graph, so that a
prediction in SQL sees exactly what training saw. Patients, not rows, are split: an eye is never judged by a network that has seen
its fellow. The written CARD.md says how well it does on patients that it never saw.
"""

import argparse
import csv
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
import psycopg
from onnx import TensorProto, helper, numpy_helper
from sklearn.metrics import confusion_matrix, f1_score
from sklearn.neural_network import MLPClassifier

CLASSES = [
    "normal",
    "keratoconus",
    "subclinical_keratoconus",
    "pellucid_marginal_degeneration",
    "post_refractive_surgery",
    "fuchs_dystrophy",
    "post_keratoplasty",
]
MAPS = ["ant_axial", "ant_tang", "ant_elev", "post_axial", "post_elev", "pachy", "stroma", "epi", "tot_refr"]
STATISTICS = ["mean", "sd", "min", "max", "p05", "p95", "grad_rms", "si_asym"]
# Terms that a mirror image leaves as they are, so that right and left eyes speak the same language in the native frame.
MIRROR_INVARIANT = [4, 5, 6, 7, 12, 13, 14, 15, 16, 17, 24]
CORVIS = ["a1_time", "a1_vel", "da_max", "da_ratio_1mm", "da_ratio_2mm", "int_inv_radius", "sp_a1", "arth", "cct", "cbi_formula"]
FELLOW = ["s_pachy_z80_min", "s_ant_tang_z80_max", "s_ant_axial_z80_si_asym", "s_post_elev_z80_p95", "k_ant_d30_k_steep"]
FEATURES = (
    [f"s_{m}_z80_{s}" for m in MAPS for s in STATISTICS]
    + [f"z_{s}_elev_p60_c{j:02d}" for s in ("ant", "post") for j in MIRROR_INVARIANT]
    + [f"zm_{s}_elev_p60_{r}" for s in ("ant", "post") for r in ("rms_hoa", "rms_coma", "rms_trefoil", "residual_rms")]
    + [f"k_ant_d30_{k}" for k in ("k_flat", "k_steep", "cyl", "j0")]
    + [f"cv_{c}" for c in CORVIS]
    + [f"fellow_d_{f}" for f in FELLOW]
    + ["age_years"]
)
CLIP = 6.0


def read(dsn):
    """Features, labels and patients of all labelled eyes."""
    columns = ", ".join(f"cast({f} as double precision)" for f in FEATURES)
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            f"select patient_id, diagnosis, {columns} from gold.eye_features"
            " where diagnosis is not null and patient_id is not null order by exam_id, eye, scan_id"
        ).fetchall()
    patients = np.array([r[0] for r in rows])
    labels = np.array([CLASSES.index(r[1]) for r in rows])
    x = np.array([[np.nan if v is None else v for v in r[2:]] for r in rows], np.float32)
    return x, labels, patients


def split(patients, seed):
    """Masks of training, validation and test rows: 60, 20 and 20 % of the patients."""
    unique = np.unique(patients)
    np.random.default_rng(seed).shuffle(unique)
    first, second = int(0.6 * len(unique)), int(0.8 * len(unique))
    return [np.isin(patients, part) for part in (unique[:first], unique[first:second], unique[second:])]


def prepare(x, median, mean, scale):
    filled = np.where(np.isnan(x), median, x)
    return np.clip((filled - mean) / scale, -CLIP, CLIP)


def log_loss(p, y):
    return -np.mean(np.log(np.clip(p[np.arange(len(y)), y], 1e-9, 1)))


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def train(x, y, fit, check, seed):
    """The network with the lowest validation loss, and the temperature that calibrates it there."""
    best = None
    for hidden in ((32,), (64, 32)):
        for alpha in (0.01, 0.1, 1.0, 3.0):
            net = MLPClassifier(hidden, alpha=alpha, max_iter=400, learning_rate_init=2e-3, random_state=seed).fit(x[fit], y[fit])
            loss = log_loss(net.predict_proba(x[check]), y[check])
            print(f"hidden {hidden} alpha {alpha}: validation log loss {loss:.3f}")
            if best is None or loss < best[0]:
                best = (loss, net, hidden, alpha)
    _, net, hidden, alpha = best
    logits = np.log(np.clip(net.predict_proba(x[check]), 1e-12, 1))
    temperature = min(np.arange(0.5, 3.01, 0.05), key=lambda t: log_loss(softmax(logits / t), y[check]))
    return net, hidden, alpha, float(temperature)


def export(net, temperature, median, mean, scale, path):
    """The whole way from raw columns to probabilities as plain ONNX nodes."""
    constant = lambda name, value: numpy_helper.from_array(np.asarray(value, np.float32), name)
    weights = [constant("median", median), constant("mean", mean), constant("scale", scale)]
    weights += [constant("low", -CLIP), constant("high", CLIP)]
    nodes = [
        helper.make_node("IsNaN", ["x"], ["missing"]),
        helper.make_node("Where", ["missing", "median", "x"], ["filled"]),
        helper.make_node("Sub", ["filled", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["standard"]),
        helper.make_node("Clip", ["standard", "low", "high"], ["h"]),
    ]
    value = "h"
    for i, (w, b) in enumerate(zip(net.coefs_, net.intercepts_)):
        last = i + 1 == len(net.coefs_)
        divide = temperature if last else 1.0
        weights += [constant(f"w{i}", w / divide), constant(f"b{i}", b / divide)]
        nodes.append(helper.make_node("Gemm", [value, f"w{i}", f"b{i}"], [f"g{i}"]))
        value = f"g{i}"
        if not last:
            nodes.append(helper.make_node("Relu", [value], [f"r{i}"]))
            value = f"r{i}"
    nodes.append(helper.make_node("Softmax", [value], ["probabilities"], axis=1))
    tensor = lambda name, width: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", width])
    graph = helper.make_graph(nodes, "kc_dx", [tensor("x", len(FEATURES))], [tensor("probabilities", len(CLASSES))], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def unit(feature):
    if feature.startswith("k_ant"):
        return "[diop]"
    return {"cv_a1_time": "ms", "cv_a1_vel": "m/s", "cv_da_max": "mm", "cv_arth": "um", "cv_cct": "um"}.get(feature)


def describe(version):
    """The text of MLmodel, as mlflow.onnx.save_model lays it out, with placido's section under metadata."""
    inputs = [{"type": "double", "name": f, "required": False} for f in FEATURES]
    outputs = [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, len(CLASSES)]}}]
    units = {f: unit(f) for f in FEATURES if unit(f)}
    return f"""artifact_path: model
flavors:
  onnx:
    code: null
    data: model.onnx
    onnx_version: {onnx.__version__}
    providers:
    - CPUExecutionProvider
  python_function:
    data: model.onnx
    loader_module: mlflow.onnx
signature:
  inputs: '{json.dumps(inputs)}'
  outputs: '{json.dumps(outputs)}'
  params: null
metadata:
  placido:
    version: {version}
    task: "classification"
    target: "diagnosis"
    classes: {json.dumps(CLASSES)}
    units: {json.dumps(units)}
    max_missing: 0.5
"""


def calibration_error(p, y, bins=10):
    """Expected calibration error of the predicted class, equal-width bins."""
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    edges = np.minimum((confidence * bins).astype(int), bins - 1)
    return sum(abs(confidence[edges == b].mean() - right[edges == b].mean()) * np.mean(edges == b) for b in np.unique(edges))


def card(arguments, y, p, counts, network):
    predicted = p.argmax(axis=1)
    matrix = confusion_matrix(y, predicted, labels=range(len(CLASSES)))
    recall = matrix.diagonal() / np.maximum(matrix.sum(axis=1), 1)
    lines = [
        "# kc_dx: the diagnosis of an eye from topography and biomechanics",
        "",
        "**Not for clinical use.** It was trained on simulated eyes alone; it says nothing about any real patient.",
        "",
        f"* **Task**: one of seven classes from {len(FEATURES)} columns of `gold.eye_features`.",
        f"* **Data**: a simulated hospital ({arguments.hospital}), faults and label noise as it writes them; labels are the simulated clinician's.",
        f"* **Network**: {network}; imputation by the median, standardisation and clipping inside the graph; temperature-scaled on validation patients.",
        f"* **Split by patient**: {counts[0]} training, {counts[1]} validation and {counts[2]} test eyes; no patient is in two parts.",
        "* **Missing inputs** are imputed; a row with more than half of them missing gets no answer.",
        "",
        "## On patients that it never saw",
        "",
        f"Accuracy {np.mean(predicted == y):.3f}, macro F1 {f1_score(y, predicted, average='macro'):.3f}, log loss {log_loss(p, y):.3f}, "
        f"expected calibration error {calibration_error(p, y):.3f} ({len(y)} eyes).",
        "",
        "| true \\ predicted | " + " | ".join(CLASSES) + " | recall |",
        "| --- |" + " --- |" * (len(CLASSES) + 1),
    ]
    lines += [f"| {c} | " + " | ".join(map(str, matrix[i])) + f" | {recall[i]:.2f} |" for i, c in enumerate(CLASSES)]
    lines += [
        "",
        "## Limits",
        "",
        "* Simulated eyes are simpler than real ones: expect less on real exams, and measure it before believing anything.",
        "* Subclinical keratoconus is defined by the simulation, as an eye that hardly differs from a normal one; that is where it errs.",
        "* One device family (MS-39 maps, Corvis ST). Other devices need their own model.",
        "* It was not tested for differences between groups of patients.",
        "",
        "Made by `train.py`; `golden.csv` holds rows of test patients with the probabilities that ONNX Runtime gives in Python.",
    ]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--hospital", default="size and seed not stated", help="how the simulated hospital was made, for the card")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--version", type=int, default=1)
    arguments = parser.parse_args()

    x, y, patients = read(arguments.dsn)
    fit, check, test = split(patients, arguments.seed)
    median = np.nanmedian(x[fit], axis=0)
    filled = np.where(np.isnan(x[fit]), median, x[fit])
    mean, scale = filled.mean(axis=0), np.maximum(filled.std(axis=0), 1e-6)
    net, hidden, alpha, temperature = train(prepare(x, median, mean, scale), y, fit, check, arguments.seed)

    export(net, temperature, median, mean, scale, arguments.out / "model.onnx")
    (arguments.out / "MLmodel").write_text(describe(arguments.version))
    session = onnxruntime.InferenceSession(str(arguments.out / "model.onnx"), providers=["CPUExecutionProvider"])
    (p,) = session.run(None, {"x": x[test]})
    network = f"layers of {', '.join(map(str, hidden))} rectified units (L2 {alpha}, temperature {temperature:.2f})"
    counts = [int(part.sum()) for part in (fit, check, test)]
    (arguments.out / "CARD.md").write_text(card(arguments, y[test], p, counts, network))
    with open(arguments.out / "golden.csv", "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(FEATURES + [f"p_{c}" for c in CLASSES])
        for row, answer in list(zip(x[test], p))[:40]:
            out.writerow(["" if np.isnan(v) else repr(float(v)) for v in row] + [repr(float(v)) for v in answer])
    print((arguments.out / "CARD.md").read_text())


if __name__ == "__main__":
    main()
