//! Tests of FHIR Observations, put together after the published profiles that NOTES.md names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow::array::RecordBatch;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::testing::{codes, damage, damaged, day, number, pieces_are_the_whole, read, text};
use super::super::{layout as layouts, text as texts};
use super::layout::Layout;
use super::{Fhir, NAME, TABLE};
use crate::device::{Confidence, Device, Eye, Reading, Sample};
use crate::issue::IssueCode::{self, *};

const SNOMED: &str = "http://snomed.info/sct";
const LOINC: &str = "http://loinc.org";

fn concept(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code }] })
}

/// A best corrected acuity of the left eye, as the eye care guide of HL7 has it.
fn acuity() -> Value {
    json!({
        "resourceType": "Observation",
        "id": "va-1",
        "status": "final",
        "code": concept(SNOMED, "419775003"),
        "subject": { "reference": "Patient/p1" },
        "effectiveDateTime": "2024-03-26T23:30:00+02:00",
        "valueQuantity": { "value": 0.18, "unit": "logmar" },
        "bodySite": concept(SNOMED, "362503005"),
        "method": concept(SNOMED, "400913005"),
    })
}

fn patient() -> Value {
    json!({
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [
            { "type": concept("http://terminology.hl7.org/CodeSystem/v2-0203", "NI"), "value": "national" },
            { "type": concept("http://terminology.hl7.org/CodeSystem/v2-0203", "MR"), "system": "urn:hospital", "value": "P1" },
        ],
        "name": [{ "family": "DÉMO", "given": ["Zoé"] }],
        "gender": "female",
        "birthDate": "1990-07-14",
    })
}

fn with(mut value: Value, field: &str, replacement: Value) -> Value {
    match replacement {
        Value::Null => drop(value.as_object_mut().unwrap().remove(field)),
        replacement => value[field] = replacement,
    }
    value
}

fn lines(resources: &[Value]) -> Vec<u8> {
    resources.iter().flat_map(|resource| format!("{resource}\r\n").into_bytes()).collect()
}

fn of(resources: &[Value]) -> (RecordBatch, Reading) {
    read(&Fhir, &lines(resources))
}

/// The issues of one Observation beside its patient.
fn issues(observation: Value) -> Vec<IssueCode> {
    codes(&of(&[patient(), observation]).1, 0)
}

#[test]
fn the_layout_is_whole() {
    let layout: Layout = layouts::parse(NAME, include_str!("layout.toml")).unwrap();
    let mut seen = std::collections::HashSet::new();
    for codes in &layout.codes {
        assert!(codes.eye.is_none() || codes.eye().is_some());
        assert!(codes.codes.iter().all(|code| seen.insert((codes.system.clone(), code.clone()))), "{codes:?}");
    }
    let units = [&layout.units.logmar, &layout.units.decimal, &layout.units.letters, &layout.units.dioptre, &layout.units.degree];
    assert!(units.iter().flat_map(|units| units.iter()).all(|unit| *unit == unit.to_lowercase()));
}

#[test]
fn an_acuity_with_its_patient() {
    for document in [
        lines(&[patient(), acuity()]),
        serde_json::to_vec_pretty(&json!({ "resourceType": "Bundle", "entry": [
            { "fullUrl": "urn:uuid:1", "resource": patient() },
            { "resource": with(acuity(), "subject", json!({ "reference": "urn:uuid:1" })) },
        ] }))
        .unwrap(),
        [
            b"\xEF\xBB\xBF".as_slice(),
            &lines(&[json!({ "resourceType": "Bundle", "entry": [{ "resource": acuity() }, { "resource": patient() }] })]),
        ]
        .concat(),
    ] {
        let (batch, reading) = read(&Fhir, &document);
        assert_eq!((reading.rows, reading.layout.as_deref()), (1, Some("r4")));
        assert_eq!(codes(&reading, 0), []);
        for (column, expected) in [
            ("patient_number", "P1"),
            ("patient_last_name", "DÉMO"),
            ("patient_sex", "F"),
            ("eye", "OS"),
            ("measure", "cdva"),
            ("code", "419775003"),
            ("method_code", "400913005"),
            ("value_text", "0.18 logmar"),
            ("acuity_text", "0.18 logMAR"),
            ("effective_text", "2024-03-26T23:30:00+02:00"),
        ] {
            assert_eq!(text(&batch, column, 0).as_deref(), Some(expected), "{column}");
        }
        // The day where it was measured, not in Greenwich.
        assert_eq!(day(&batch, "exam_date", 0).as_deref(), Some("2024-03-26"));
        assert_eq!(day(&batch, "patient_birth_date", 0).as_deref(), Some("1990-07-14"));
        assert_eq!((reading.subjects[0].patient.as_deref(), reading.subjects[0].eye), (Some("P1"), Some(Eye::Os)));
    }
}

#[test]
fn a_refraction_is_one_row_an_eye() {
    let part = |system: &str, code: &str, value: f64, unit: &str| json!({ "code": concept(system, code), "valueQuantity": { "value": value, "unit": unit } });
    let refraction = with(with(acuity(), "code", concept(SNOMED, "251794006")), "valueQuantity", Value::Null);
    let one = with(
        refraction.clone(),
        "component",
        json!([
            part(SNOMED, "251795007", -2.5, "diopter"),
            part(SNOMED, "251799001", 60.0, "degree"),
            part(SNOMED, "251797004", -1.25, "diopter")
        ]),
    );
    // LOINC's parts say their eye themselves.
    let both = with(
        with(with(refraction.clone(), "code", concept(LOINC, "79895-9")), "bodySite", Value::Null),
        "component",
        json!([
            part(LOINC, "65890-6", 1.0, "[diop]"),
            part(LOINC, "65892-2", -0.5, "[diop]"),
            part(LOINC, "65891-4", 180.0, "deg"),
            part(LOINC, "65894-8", 1.5, "[diop]"),
        ]),
    );
    let (batch, reading) = of(&[patient(), one.clone(), both]);
    let row = |row| {
        (
            text(&batch, "eye", row).unwrap(),
            number(&batch, "sphere_d", row),
            number(&batch, "cylinder_d", row),
            number(&batch, "axis_deg", row),
        )
    };
    assert_eq!(reading.rows, 3);
    assert_eq!(row(0), ("OS".to_owned(), Some(-2.5), Some(-1.25), Some(60.0)));
    assert_eq!(row(1), ("OD".to_owned(), Some(1.0), Some(-0.5), Some(180.0)));
    assert_eq!(row(2), ("OS".to_owned(), Some(1.5), None, None));
    assert!((0..3).all(|row| codes(&reading, row).is_empty() && text(&batch, "measure", row).as_deref() == Some("refraction")));

    let broken = |component: Value| issues(with(one.clone(), "component", json!([component])));
    assert_eq!(broken(part(SNOMED, "251795007", -250.0, "diopter")), [ValueOutOfRange]);
    assert_eq!(broken(part(SNOMED, "251795007", -2.5, "mm")), [NumberUnreadable]);
    assert_eq!(broken(json!({ "code": concept(SNOMED, "251795007"), "valueString": "-2,5 environ" })), [NumberUnreadable]);
    assert_eq!(issues(with(refraction, "component", json!([]))), [DataAbsent]);
}

#[test]
fn acuities_as_components_of_a_panel() {
    let part = |code: &str, value: f64| json!({ "code": concept(LOINC, code), "valueQuantity": { "value": value } });
    let panel = json!({
        "resourceType": "Observation", "status": "final", "code": concept(LOINC, "98497-1"), "subject": { "reference": "Patient/p1" },
        "effectiveDateTime": "2024-03-26",
        "component": [part("65897-1", 1.0), part("98498-9", 0.8), part("65893-0", 1.0), part("98499-7", 0.7)],
    });
    let (batch, reading) = of(&[patient(), panel]);
    let row = |row| {
        [text(&batch, "eye", row).unwrap(), text(&batch, "measure", row).unwrap(), text(&batch, "acuity_text", row).unwrap()]
    };
    assert_eq!(reading.rows, 4);
    assert_eq!((row(0), row(1)), (["OS", "cdva", "1"].map(str::to_owned), ["OS", "udva", "0.8"].map(str::to_owned)));
    assert_eq!((row(2), row(3)), (["OD", "cdva", "1"].map(str::to_owned), ["OD", "udva", "0.7"].map(str::to_owned)));
}

#[test]
fn values_of_every_kind() {
    let acuity_of = |field: &str, value: Value| {
        let (batch, reading) = of(&[patient(), with(with(acuity(), "valueQuantity", Value::Null), field, value)]);
        (text(&batch, "acuity_text", 0), codes(&reading, 0))
    };
    let some = |text: &str| (Some(text.to_owned()), vec![]);
    assert_eq!(acuity_of("valueRatio", json!({ "numerator": { "value": 6 }, "denominator": { "value": 12 } })), some("6/12"));
    assert_eq!(acuity_of("valueString", json!("20/40+2")), some("20/40+2"));
    assert_eq!(acuity_of("valueCodeableConcept", concept(SNOMED, "260295004")), some("HM"));
    assert_eq!(acuity_of("valueCodeableConcept", json!({ "text": "compte les doigts" })), some("compte les doigts"));
    assert_eq!(acuity_of("valueInteger", json!(75)), some("75"));
    assert_eq!(acuity_of("valueQuantity", json!({ "value": 75, "unit": "letters" })), some("75 letters"));
    assert_eq!(acuity_of("valueQuantity", json!({ "value": 0.8, "code": "/arcmin" })), some("0.8 decimal"));
    assert_eq!(acuity_of("valueQuantity", json!({ "value": 0.8, "unit": "1" })), some("0.8"));
    assert_eq!(acuity_of("valueQuantity", json!({ "value": 0.1, "comparator": "<", "unit": "logmar" })), some("<0.1 logmar"));
    assert_eq!(
        acuity_of("dataAbsentReason", concept("http://terminology.hl7.org/CodeSystem/data-absent-reason", "not-performed")),
        (None, vec![])
    );
    assert_eq!(acuity_of("valueQuantity", Value::Null), (None, vec![DataAbsent]));
}

#[test]
fn the_correction_counts_before_the_method() {
    let measure = |codes: Value| {
        let (batch, _) = of(&[patient(), with(acuity(), "code", json!({ "coding": codes }))]);
        text(&batch, "measure", 0)
    };
    let coding = |code: &str| json!({ "system": SNOMED, "code": code });
    assert_eq!(measure(json!([coding("251739003"), coding("397536007")])).as_deref(), Some("cdva"));
    assert_eq!(measure(json!([coding("251739003"), coding("420050001")])).as_deref(), Some("udva"));
    assert_eq!(measure(json!([coding("251739003")])).as_deref(), Some("va"));
    assert_eq!(measure(json!([{ "system": "urn:own", "code": "419775003" }])), None);
}

#[test]
fn eyes_in_all_their_places() {
    let eye = |observation: Value| {
        let (batch, reading) = of(&[
            patient(),
            json!({ "resourceType": "BodyStructure", "id": "left", "location": concept(SNOMED, "244486005"), "locationQualifier": [concept(SNOMED, "7771000")] }),
            observation,
        ]);
        (text(&batch, "eye", 0), codes(&reading, 0))
    };
    let site = |site: Value| eye(with(acuity(), "bodySite", site));
    let found = |eye: &str| (Some(eye.to_owned()), vec![]);
    assert_eq!(site(concept(SNOMED, "18944008")), found("OD"));
    assert_eq!(site(json!({ "text": "œil droit" })), found("OD"));
    assert_eq!(site(json!({ "extension": [{ "valueReference": { "reference": "BodyStructure/left" } }] })), found("OS"));
    assert_eq!(
        site(
            json!({ "coding": [{ "code": "244486005" }], "extension": [{ "valueCodeableConcept": concept(SNOMED, "24028007") }] })
        ),
        found("OD")
    );
    assert_eq!(eye(with(with(acuity(), "bodySite", Value::Null), "code", concept(LOINC, "79880-1"))), found("OD"));
    let contained = json!([{ "resourceType": "BodyStructure", "id": "b", "includedStructure": [{ "laterality": concept(SNOMED, "24028007") }] }]);
    let r5 = with(
        with(with(acuity(), "bodySite", Value::Null), "bodyStructure", json!({ "reference": "#b" })),
        "contained",
        contained,
    );
    assert_eq!(eye(r5), found("OD"));
    assert_eq!(site(Value::Null), (None, vec![EyeMissing]));
    assert_eq!(site(concept(SNOMED, "362508001")), (None, vec![EyeUnreadable]));
    // The code says the right eye, the place of the body the left one.
    assert_eq!(eye(with(acuity(), "code", concept(LOINC, "79880-1"))), (None, vec![EyeUnreadable]));
}

#[test]
fn patients_by_number_or_in_a_namespace_of_their_own() {
    let number_of = |patient: Value, subject: Value| {
        let (_, reading) = of(&[patient, with(acuity(), "subject", subject)]);
        reading.subjects[0].patient.clone()
    };
    let reference = || json!({ "reference": "Patient/p1" });
    let identifier = |kind: &str, value: &str| json!({ "type": concept("x", kind), "value": value });
    assert_eq!(number_of(patient(), reference()).as_deref(), Some("P1"));
    assert_eq!(number_of(patient(), json!({ "reference": "Patient/p1/_history/3" })).as_deref(), Some("P1"));
    assert_eq!(number_of(patient(), json!({ "identifier": identifier("PI", "77") })).as_deref(), Some("77"));
    assert_eq!(number_of(patient(), json!({ "reference": "Patient/other" })).as_deref(), Some("fhir:Patient/other"));
    assert_eq!(number_of(patient(), json!({ "identifier": { "system": "s", "value": "9" } })).as_deref(), Some("fhir:s|9"));
    let two = with(patient(), "identifier", json!([identifier("MR", "1"), identifier("MR", "2")]));
    assert_eq!(number_of(two.clone(), reference()).as_deref(), Some("fhir:Patient/p1"));
    let mut usual = two;
    usual["identifier"][1]["use"] = json!("usual");
    assert_eq!(number_of(usual, reference()).as_deref(), Some("2"));
    assert_eq!(issues(with(acuity(), "subject", Value::Null)), [PatientMissing]);
}

#[test]
fn a_file_in_pieces_is_the_file() {
    let mut all = vec![patient(), json!({ "resourceType": "Encounter" })];
    all.extend((0..30).map(|at| with(acuity(), "id", json!(format!("é{at}")))));
    all.push(with(patient(), "id", json!("p2")));
    all.push(json!({ "resourceType": "Encounter" }));
    let text = lines(&all);
    let (windows, _, _) = encoding_rs::WINDOWS_1252.encode(std::str::from_utf8(&text).unwrap());
    let files = [
        text.clone(),
        windows.into_owned(),
        text[..text.len() - 40].to_vec(),
        [text.as_slice(), b"\r\n\n[1]\nnull"].concat(),
        [text.as_slice(), &[0; 200]].concat(),
        lines(&[patient()]),
        String::from_utf8(text.clone()).unwrap().replace("\r\n", "\r").into_bytes(),
        String::from_utf8(text.clone()).unwrap().encode_utf16().flat_map(u16::to_le_bytes).collect(),
    ];
    let rows: Vec<usize> = files.iter().map(|bytes| read(&Fhir, bytes).1.rows).collect();
    assert_eq!(rows, [30, 30, 31, 32, 30, 1, 30, 30]);
    for bytes in &files {
        pieces_are_the_whole(&Fhir, bytes);
    }
}

#[test]
fn many_resources_are_in_parts_of_few() {
    let line = "{\"resourceType\":\"Observation\"}\n";
    let request = crate::device::Request { table: TABLE, columns: &[], check: false };
    let parts: Vec<usize> = Fhir.parts(line.repeat(20_001).into(), &request, 8192).map(|part| part.rows).collect();
    assert_eq!(parts, [8192, 8192, 3617]);
}

#[test]
fn what_is_wrong_is_an_issue_of_its_row_alone() {
    assert_eq!(issues(with(acuity(), "code", concept("urn:own", "x"))), [CodeUnknown]);
    assert_eq!(issues(with(acuity(), "effectiveDateTime", Value::Null)), [DateMissing]);
    assert_eq!(issues(with(acuity(), "effectiveDateTime", json!("2024-03"))), [DateUnreadable]);
    assert_eq!(issues(with(acuity(), "status", json!("entered-in-error"))), [StatusVoid]);
    assert_eq!(issues(with(acuity(), "effectiveDateTime", json!(20_240_326))), [DateMissing]);
    let mut bytes = lines(&[patient(), acuity()]);
    bytes.extend_from_slice(b"{\"resourceType\":\"Observation\", \"code\r\n[1]\r\n\r\n");
    bytes.extend(lines(&[json!({ "resourceType": "Encounter" }), acuity()]));
    let (batch, reading) = read(&Fhir, &bytes);
    let all: Vec<_> = (0..reading.rows).map(|row| codes(&reading, row)).collect();
    assert_eq!(all, [vec![], vec![ResourceUnreadable], vec![ResourceUnreadable], vec![ResourceSkipped]]);
    assert_eq!(text(&batch, "resource", 2).as_deref(), Some("[1]"));
    assert!(reading.issues[1][0].detail.contains("in line 3"), "{:?}", reading.issues[1]);
    assert_eq!(codes(&of(&[patient()]).1, 0), [DataAbsent]);
}

#[test]
fn names_stay_out_of_issues() {
    let secret = || json!("NOMDEMO");
    let mut observation = acuity();
    for field in ["id", "status", "effectiveDateTime"] {
        observation[field] = secret();
    }
    observation["code"] = json!({ "coding": [{ "code": "NOMDEMO" }], "text": "NOMDEMO" });
    observation["bodySite"] = json!({ "text": "NOMDEMO" });
    observation["subject"] = json!({ "display": "NOMDEMO" });
    let mut bytes = lines(&[patient(), observation]);
    bytes.extend_from_slice(b"NOMDEMO\n");
    let (_, reading) = read(&Fhir, &bytes);
    assert_eq!(reading.rows, 2);
    assert!(reading.issues.iter().flatten().all(|issue| !issue.detail.contains("DEMO")), "{:?}", reading.issues);
    assert!(reading.issues[0].len() >= 4);
}

#[test]
fn recognition_is_by_content() {
    let is = |bytes: &[u8]| Fhir.recognises(&Sample { head: bytes, size: bytes.len() as u64 });
    assert_eq!(is(&lines(&[acuity()])), Confidence::Certain);
    assert_eq!(
        is(&serde_json::to_vec_pretty(&json!({ "resourceType": "Bundle", "entry": [{ "resource": acuity() }] })).unwrap()),
        Confidence::Certain
    );
    assert_eq!(is(&lines(&[patient()])), Confidence::Likely);
    assert_eq!(is(b"{\"resourceType\":\"Encounter\"}"), Confidence::No);
    assert_eq!(is(b"IPP;Oeil;AVAC\n"), Confidence::No);
    let own = lines(&[patient(), acuity()]);
    assert_eq!(crate::lake::recognise(&Sample { head: &own, size: own.len() as u64 }).unwrap().name(), NAME);
}

#[test]
fn what_is_written_is_read() {
    let (batch, first) = of(&[
        patient(),
        acuity(),
        with(with(acuity(), "valueQuantity", Value::Null), "valueString", json!("20/40+2")),
        with(with(acuity(), "valueQuantity", Value::Null), "valueCodeableConcept", concept(SNOMED, "260295004")),
    ]);
    let written = Fhir.write(TABLE, &batch, "r4").unwrap();
    let (again, second) = read(&Fhir, &written);
    // Who the patient is apart from the number is not written.
    for column in [
        "patient_number",
        "eye",
        "exam_date",
        "measure",
        "code",
        "status",
        "value_text",
        "value_code",
        "acuity_text",
        "effective_text",
    ] {
        assert_eq!(batch.column_by_name(column), again.column_by_name(column), "{column}");
    }
    assert_eq!(first.subjects, second.subjects);
    assert!(Fhir.write(TABLE, &batch, "r9").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_files_are_read_without_panic(damage in damage()) {
        read(&Fhir, &damaged(&lines(&[patient(), acuity(), acuity()]), &damage));
    }

    #[test]
    fn any_text_is_kept(value in "\\PC{1,30}", unit in "\\PC{0,10}") {
        prop_assume!(!value.trim().is_empty());
        let (batch, _) = of(&[patient(), with(with(acuity(), "valueQuantity", Value::Null), "valueString", json!(value))]);
        prop_assert_eq!(text(&batch, "value_text", 0), Some(value.clone()));
        of(&[with(acuity(), "valueQuantity", json!({ "value": 0.5, "unit": unit }))]);
        of(&[with(acuity(), "bodySite", json!({ "text": value, "coding": [value] })), json!([value]), json!({ "resourceType": value })]);
    }

    #[test]
    fn any_lines_are_rows(lines in prop::collection::vec("[{}\\[\\]\":,a-z0-9 ]{0,40}", 0..20), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let (_, reading) = read(&Fhir, lines.join("\n").as_bytes());
        prop_assert!(reading.rows >= 1);
        read(&Fhir, &bytes);
        let _ = texts::decode(&bytes);
    }
}
