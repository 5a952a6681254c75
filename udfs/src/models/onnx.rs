//! The one change that is made to a network before it runs: a softmax at its end is taken off.
//!
//! The runtime's softmax sums a row in an order that depends on where the row lies in memory, so that the last bit of a
//! probability would depend on the rows beside it. Without it the network ends in logits, and
//! [`Activation::Softmax`](super::signature::Activation::Softmax) is applied row by row in double precision.
//!
//! Read and written here is the little of the protocol buffer format that this takes: field numbers follow `onnx.proto3`,
//! <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3>. Bytes that are not understood are left to the runtime.

const MODEL_GRAPH: u64 = 7;
const GRAPH_NODE: u64 = 1;
const GRAPH_OUTPUT: u64 = 12;
const GRAPH_VALUE_INFO: u64 = 13;
const NODE_INPUT: u64 = 1;
const NODE_OUTPUT: u64 = 2;
const NODE_OP_TYPE: u64 = 4;
const NODE_ATTRIBUTE: u64 = 5;
const NODE_DOMAIN: u64 = 7;
const ATTRIBUTE_NAME: u64 = 1;
const ATTRIBUTE_INT: u64 = 3;
const VALUE_NAME: u64 = 1;

/// A network without its last softmax, and the name of the output that holds the logits.
pub(crate) struct Opened {
    pub(crate) bytes: Vec<u8>,
    pub(crate) output: String,
}

/// Takes off the softmax over the classes that gives the output `wanted` (or the only output). `None` where there is no such
/// node, its result is used elsewhere, or the bytes are not understood.
pub(crate) fn without_final_softmax(model: &[u8], wanted: Option<&str>) -> Option<Opened> {
    let fields = fields(model)?;
    let graph = fields.iter().find(|field| field.number == MODEL_GRAPH)?.payload()?;
    let (graph, output) = open_graph(graph, wanted)?;
    let mut bytes = Vec::with_capacity(model.len());
    for field in &fields {
        if field.number == MODEL_GRAPH {
            write_bytes(&mut bytes, MODEL_GRAPH, &graph);
        } else {
            bytes.extend_from_slice(field.whole);
        }
    }
    Some(Opened { bytes, output })
}

fn open_graph(graph: &[u8], wanted: Option<&str>) -> Option<(Vec<u8>, String)> {
    let fields = fields(graph)?;
    let of = |number: u64| fields.iter().filter(move |field| field.number == number).map(Field::payload);
    let outputs: Vec<String> = of(GRAPH_OUTPUT).map(|output| text(output?, VALUE_NAME)).collect::<Option<_>>()?;
    let target = match (wanted, outputs.as_slice()) {
        (Some(wanted), outputs) => outputs.iter().find(|name| name.as_str() == wanted)?,
        (None, [only]) => only,
        (None, _) => return None,
    };
    let nodes: Vec<Node> = of(GRAPH_NODE).map(|node| Node::read(node?)).collect::<Option<_>>()?;
    let last = nodes.iter().find(|node| node.outputs.contains(target))?;
    let [logits] = last.inputs.as_slice() else { return None };
    let used = nodes.iter().any(|node| node.inputs.contains(target) || node.has_graph);
    if !last.is_softmax_over_classes() || used || outputs.contains(logits) {
        return None;
    }
    let mut bytes = Vec::with_capacity(graph.len());
    for field in &fields {
        let name = || field.payload().and_then(|payload| text(payload, VALUE_NAME));
        match field.number {
            GRAPH_NODE if Node::read(field.payload()?)?.outputs.contains(target) => {}
            // The logits get a type as an output, and need no second one.
            GRAPH_VALUE_INFO if name().as_ref() == Some(logits) => {}
            GRAPH_OUTPUT if name().as_ref() == Some(target) => {
                write_bytes(&mut bytes, GRAPH_OUTPUT, &renamed(field.payload()?, logits)?);
            }
            _ => bytes.extend_from_slice(field.whole),
        }
    }
    Some((bytes, logits.clone()))
}

fn renamed(value: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(value.len());
    for field in fields(value)? {
        if field.number == VALUE_NAME {
            write_bytes(&mut bytes, VALUE_NAME, name.as_bytes());
        } else {
            bytes.extend_from_slice(field.whole);
        }
    }
    Some(bytes)
}

struct Node {
    inputs: Vec<String>,
    outputs: Vec<String>,
    op_type: String,
    domain: String,
    axis: Option<i64>,
    /// A node that holds graphs (a loop, a condition) may read any value.
    has_graph: bool,
}

impl Node {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut node = Node {
            inputs: Vec::new(),
            outputs: Vec::new(),
            op_type: String::new(),
            domain: String::new(),
            axis: None,
            has_graph: false,
        };
        for field in fields(bytes)? {
            let string = || std::str::from_utf8(field.payload()?).ok().map(str::to_owned);
            match field.number {
                NODE_INPUT => node.inputs.push(string()?),
                NODE_OUTPUT => node.outputs.push(string()?),
                NODE_OP_TYPE => node.op_type = string()?,
                NODE_DOMAIN => node.domain = string()?,
                NODE_ATTRIBUTE if text(field.payload()?, ATTRIBUTE_NAME).as_deref() == Some("axis") => {
                    let axis = fields(field.payload()?)?.iter().find(|field| field.number == ATTRIBUTE_INT)?.varint?;
                    node.axis = Some(axis.cast_signed());
                }
                _ => {}
            }
        }
        node.has_graph = matches!(node.op_type.as_str(), "If" | "Loop" | "Scan");
        Some(node)
    }

    /// Without an axis the operator takes the second dimension (before version 13) or the last: the same for a matrix.
    fn is_softmax_over_classes(&self) -> bool {
        self.op_type == "Softmax"
            && matches!(self.domain.as_str(), "" | "ai.onnx")
            && matches!(self.axis, None | Some(1) | Some(-1))
    }
}

/// One field of a message: its number, all its bytes, and what it holds.
struct Field<'a> {
    number: u64,
    whole: &'a [u8],
    varint: Option<u64>,
    bytes: Option<&'a [u8]>,
}

impl<'a> Field<'a> {
    fn payload(&self) -> Option<&'a [u8]> {
        self.bytes
    }
}

fn fields(message: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut rest = message;
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let start = rest;
        let key = take_varint(&mut rest)?;
        let (mut varint, mut bytes) = (None, None);
        match key & 7 {
            0 => varint = Some(take_varint(&mut rest)?),
            1 => rest = rest.get(8..)?,
            2 => {
                let length = usize::try_from(take_varint(&mut rest)?).ok()?;
                bytes = Some(rest.get(..length)?);
                rest = rest.get(length..)?;
            }
            5 => rest = rest.get(4..)?,
            _ => return None,
        }
        fields.push(Field { number: key >> 3, whole: start.get(..start.len() - rest.len())?, varint, bytes });
    }
    Some(fields)
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn text(message: &[u8], number: u64) -> Option<String> {
    let fields = fields(message)?;
    let bytes = fields.iter().find(|field| field.number == number)?.payload()?;
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn write_bytes(target: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    write_varint(target, number << 3 | 2);
    write_varint(target, bytes.len() as u64);
    target.extend_from_slice(bytes);
}

fn write_varint(target: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        target.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    target.push(value as u8);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn golden(model: &str) -> Vec<u8> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/models");
        std::fs::read(folder.join(model).join("model.onnx")).unwrap()
    }

    #[test]
    fn a_softmax_at_the_end_is_taken_off() {
        for model in ["wide", "screening", "picture"] {
            let bytes = golden(model);
            let opened = without_final_softmax(&bytes, None).unwrap();
            assert!(opened.bytes.len() < bytes.len(), "{model}");
            let named = without_final_softmax(&bytes, Some("probabilities")).unwrap();
            assert_eq!(named.bytes, opened.bytes);
            assert!(without_final_softmax(&bytes, Some("other")).is_none());
            // What is left ends in no softmax.
            assert!(without_final_softmax(&opened.bytes, None).is_none());
        }
    }

    #[test]
    fn other_networks_stay_as_they_are() {
        for model in ["sphere", "two_class", "merged"] {
            assert!(without_final_softmax(&golden(model), None).is_none(), "{model}");
        }
    }

    #[test]
    fn broken_bytes_are_left_alone() {
        let bytes = golden("screening");
        for length in 0..bytes.len() {
            // Any cut of the file is either refused or still a message; it never panics.
            let _ = without_final_softmax(&bytes[..length], None);
        }
        for place in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[place] ^= 0xff;
            let _ = without_final_softmax(&bytes, None);
        }
        assert!(without_final_softmax(&[0xff; 64], None).is_none());
    }
}
