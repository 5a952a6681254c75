"""Makes the small models of this folder and the answers that other software gives for them.

    pip install numpy==2.4.6 scikit-learn==1.9.1 onnx==1.23.2 onnxruntime==1.31.1
    python make.py

Networks are trained by scikit-learn on invented numbers, written as plain ONNX nodes (Sub, Div, Gemm, Relu, Softmax …) and
evaluated by ONNX Runtime in Python: `expected.csv` of each folder holds inputs and these answers.
"""

import csv
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.neural_network import MLPClassifier, MLPRegressor

HERE = pathlib.Path(__file__).parent
OPSET = 17


def constant(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def layers(net, x, nodes, weights):
    """Appends one Gemm (and Relu) a layer, and gives the name of the last value."""
    for i, (w, b) in enumerate(zip(net.coefs_, net.intercepts_)):
        weights += [constant(f"w{i}", w), constant(f"b{i}", b)]
        nodes.append(helper.make_node("Gemm", [x, f"w{i}", f"b{i}"], [f"h{i}"]))
        x = f"h{i}"
        if i + 1 < len(net.coefs_):
            nodes.append(helper.make_node("Relu", [x], [f"r{i}"]))
            x = f"r{i}"
    return x


def save(folder, inputs, outputs, nodes, weights, mlmodel):
    graph = helper.make_graph(nodes, folder, inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    path = HERE / folder
    path.mkdir(exist_ok=True)
    onnx.save(model, path / "model.onnx")
    (path / "MLmodel").write_text(mlmodel)
    return onnxruntime.InferenceSession(str(path / "model.onnx"), providers=["CPUExecutionProvider"])


def value(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def mlmodel(names, outputs, placido, optional=(), tensors=None):
    """The text of an MLmodel file as mlflow.onnx.save_model lays it out, with our section under `metadata`."""
    columns = [
        {"type": "tensor", "name": n, "tensor-spec": {"dtype": "float32", "shape": tensors[n]}}
        if tensors and n in tensors
        else {"type": "double", "name": n, "required": n not in optional}
        for n in names
    ]
    lines = [
        "artifact_path: model",
        "flavors:",
        "  onnx:",
        "    code: null",
        "    data: model.onnx",
        f"    onnx_version: {onnx.__version__}",
        "    providers:",
        "    - CPUExecutionProvider",
        "  python_function:",
        "    data: model.onnx",
        "    loader_module: mlflow.onnx",
        "signature:",
        f"  inputs: '{json.dumps(columns)}'",
        f"  outputs: '{json.dumps(outputs)}'",
        "  params: null",
        "metadata:",
        "  placido:",
    ]
    return "\n".join(lines + [f"    {k}: {json.dumps(v)}" for k, v in placido.items()]) + "\n"


def write(folder, names, rows, outputs, answers):
    """Inputs with full precision (an empty field is a missing value), then the answers."""
    with open(HERE / folder / "expected.csv", "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(list(names) + list(outputs))
        for row, answer in zip(rows, answers):
            out.writerow(["" if np.isnan(v) else repr(float(v)) for v in row] + [repr(float(v)) for v in answer])


def screening(rng):
    """Three classes from four columns, of which the age may be missing: imputation and indicator are in the graph."""
    names = ["k_max_d", "pachy_min_um", "i_s_d", "age_years"]
    n = 600
    label = np.arange(n) % 3
    x = np.column_stack([
        rng.normal([44.0, 47.0, 55.0], [1.2, 1.5, 4.0], (n, 3))[np.arange(n), label],
        rng.normal([545.0, 510.0, 450.0], [30.0, 30.0, 35.0], (n, 3))[np.arange(n), label],
        rng.normal([0.3, 1.6, 5.0], [0.4, 0.6, 2.0], (n, 3))[np.arange(n), label],
        rng.normal(35.0, 12.0, n),
    ])
    x[rng.random(n) < 0.2, 3] = np.nan
    median = np.nanmedian(x, axis=0)
    missing = np.isnan(x)
    filled = np.where(missing, median, x)
    mean, std = filled.mean(0), filled.std(0)
    features = np.column_stack([(filled - mean) / std, missing.astype(float)])
    classes = ["normal", "subclinical_keratoconus", "keratoconus"]
    net = MLPClassifier(hidden_layer_sizes=(12, 8), max_iter=800, random_state=3).fit(features, label)
    nodes = [
        helper.make_node("IsNaN", ["x"], ["missing"]),
        helper.make_node("Where", ["missing", "median", "x"], ["filled"]),
        helper.make_node("Sub", ["filled", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], ["scaled"]),
        helper.make_node("Cast", ["missing"], ["indicator"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["scaled", "indicator"], ["features"], axis=1),
    ]
    weights = [constant("median", median), constant("mean", mean), constant("std", std)]
    last = layers(net, "features", nodes, weights)
    nodes.append(helper.make_node("Softmax", [last], ["probabilities"], axis=1))
    session = save(
        "screening", [value("x", ["batch", 4])], [value("probabilities", ["batch", 3])], nodes, weights,
        mlmodel(
            names, [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}],
            {
                "version": 2, "task": "classification", "target": "diagnosis", "classes": classes,
                "units": {"k_max_d": "[diop]", "pachy_min_um": "um", "i_s_d": "[diop]", "age_years": "a"},
            },
            optional=("age_years",),
        ),
    )
    rows = x[:60]
    answers = session.run(None, {"x": rows.astype(np.float32)})[0]
    write("screening", names, rows, [f"p_{c}" for c in classes], answers)


def sphere(rng):
    """A number from three columns, one graph input a column."""
    names = ["axial_length_mm", "k_mean_d", "acd_mm"]
    x = rng.normal([23.6, 43.5, 3.1], [1.1, 1.5, 0.35], (500, 3))
    y = 118.0 - 2.5 * x[:, 0] - 0.9 * x[:, 1] + 0.4 * (x[:, 2] - 3.1) ** 2
    mean, std = x.mean(0), x.std(0)
    net = MLPRegressor(hidden_layer_sizes=(8,), max_iter=3000, random_state=4).fit((x - mean) / std, y)
    nodes = [
        helper.make_node("Concat", names, ["x"], axis=1),
        helper.make_node("Sub", ["x", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], ["scaled"]),
    ]
    weights = [constant("mean", mean), constant("std", std)]
    last = layers(net, "scaled", nodes, weights)
    nodes.append(helper.make_node("Identity", [last], ["power_d"]))
    session = save(
        "sphere", [value(n, ["batch", 1]) for n in names], [value("power_d", ["batch", 1])], nodes, weights,
        mlmodel(
            names, [{"type": "double", "name": "power_d", "required": True}],
            {"task": "regression", "target": "power_d", "output_unit": "[diop]"},
        ),
    )
    rows = x[:40]
    answers = session.run(None, {n: rows[:, i : i + 1].astype(np.float32) for i, n in enumerate(names)})[0]
    write("sphere", names, rows, ["power_d"], answers)


def wide(rng):
    """196 columns, seven classes: the size of a model over map statistics. All inputs may be missing except the first."""
    names = [f"f{i:03d}" for i in range(196)]
    centres = rng.normal(0, 0.35, (7, 196))
    label = np.arange(1400) % 7
    x = centres[label] + rng.normal(0, 1, (1400, 196))
    net = MLPClassifier(hidden_layer_sizes=(32,), max_iter=60, random_state=5).fit(x, label)
    nodes = [
        helper.make_node("IsNaN", ["x"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "x"], ["filled"]),
    ]
    weights = [constant("zero", 0.0)]
    last = layers(net, "filled", nodes, weights)
    nodes.append(helper.make_node("Softmax", [last], ["probabilities"], axis=1))
    session = save(
        "wide", [value("x", ["batch", 196])], [value("probabilities", ["batch", 7])], nodes, weights,
        mlmodel(
            names, [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 7]}}],
            {"task": "classification", "target": "class", "classes": [f"class_{i}" for i in range(7)]},
            optional=names[1:],
        ),
    )
    rows = np.round(x[:20], 6)
    rows[rng.random(rows.shape) < 0.05] = np.nan
    rows[:, 0] = np.nan_to_num(rows[:, 0])
    answers = session.run(None, {"x": rows.astype(np.float32)})[0]
    write("wide", names, rows, [f"p_class_{i}" for i in range(7)], answers)


def two_class(rng):
    """One logit, two classes: the sigmoid is left to the caller."""
    names = ["k_max_d", "pachy_min_um"]
    x = rng.normal([46.0, 520.0], [3.0, 40.0], (400, 2))
    label = (x[:, 0] - 46.0) / 3.0 - (x[:, 1] - 520.0) / 40.0 > 0
    mean, std = x.mean(0), x.std(0)
    net = MLPClassifier(hidden_layer_sizes=(6,), max_iter=800, random_state=6).fit((x - mean) / std, label)
    nodes = [helper.make_node("Sub", ["x", "mean"], ["c"]), helper.make_node("Div", ["c", "std"], ["s"])]
    weights = [constant("mean", mean), constant("std", std)]
    last = layers(net, "s", nodes, weights)
    nodes.append(helper.make_node("Identity", [last], ["logit"]))
    session = save(
        "two_class", [value("x", ["batch", 2])], [value("logit", ["batch", 1])], nodes, weights,
        mlmodel(
            names, [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 1]}}],
            {
                "task": "classification", "target": "keratoconus", "classes": ["no", "yes"], "activation": "sigmoid",
                "min_score": 0.7,
            },
        ),
    )
    rows = x[:40]
    logit = session.run(None, {"x": rows.astype(np.float32)})[0].astype(float)
    write("two_class", names, rows, ["p_no", "p_yes"], np.column_stack([1 / (1 + np.exp(logit)), 1 / (1 + np.exp(-logit))]))


def picture(rng):
    """A small convolutional network over a list column of 8 × 8 values, and one plain column."""
    weights = [
        constant("k", rng.normal(0, 0.3, (4, 1, 3, 3))),
        constant("w", rng.normal(0, 0.3, (5, 3))),
        constant("b", rng.normal(0, 0.3, 3)),
    ]
    nodes = [
        helper.make_node("Conv", ["map", "k"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Concat", ["f", "age_years"], ["x"], axis=1),
        helper.make_node("Gemm", ["x", "w", "b"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    session = save(
        "picture", [value("map", ["batch", 1, 8, 8]), value("age_years", ["batch", 1])],
        [value("probabilities", ["batch", 3])], nodes, weights,
        mlmodel(
            ["map", "age_years"], [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}],
            {"task": "classification", "target": "class", "classes": ["a", "b", "c"]},
            tensors={"map": [-1, 1, 8, 8]},
        ),
    )
    maps = np.round(rng.normal(0, 1, (10, 1, 8, 8)), 6)
    age = np.round(rng.normal(0, 1, (10, 1)), 6)
    answers = session.run(None, {"map": maps.astype(np.float32), "age_years": age.astype(np.float32)})[0]
    rows = np.column_stack([maps.reshape(10, 64), age])
    write("picture", [f"map_{i}" for i in range(64)] + ["age_years"], rows, ["p_a", "p_b", "p_c"], answers)


def merged(rng):
    """Seven classes added up to three after the softmax: probabilities, but no softmax at the end."""
    names = [f"f{i:02d}" for i in range(24)]
    label = np.arange(700) % 7
    x = rng.normal(0, 0.8, (7, 24))[label] + rng.normal(0, 1, (700, 24))
    net = MLPClassifier(hidden_layer_sizes=(16,), max_iter=200, random_state=7).fit(x, label)
    groups = np.zeros((7, 3))
    groups[np.arange(7), [0, 0, 1, 1, 1, 2, 2]] = 1
    nodes, weights = [], [constant("groups", groups)]
    last = layers(net, "x", nodes, weights)
    nodes.append(helper.make_node("Softmax", [last], ["fine"], axis=1))
    nodes.append(helper.make_node("MatMul", ["fine", "groups"], ["probabilities"]))
    session = save(
        "merged", [value("x", ["batch", 24])], [value("probabilities", ["batch", 3])], nodes, weights,
        mlmodel(
            names, [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}],
            {"task": "classification", "target": "class", "classes": ["low", "middle", "high"]},
        ),
    )
    rows = np.round(x[:30], 6)
    answers = session.run(None, {"x": rows.astype(np.float32)})[0]
    write("merged", names, rows, ["p_low", "p_middle", "p_high"], answers)


def mean_4000():
    """The mean of 4,000 columns: a graph without weights, whose signature the test writes itself."""
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=1)],
        "mean", [value("x", ["batch", 4000])], [value("y", ["batch", 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, HERE / "mean_4000.onnx")


if __name__ == "__main__":
    mean_4000()
    for i, make in enumerate([screening, sphere, wide, two_class, picture, merged]):
        make(np.random.default_rng(20 + i))
