//! The page on acuity: its tables are what the functions answer. `PLACIDO_WRITE_DOCS=1 cargo test` writes them.
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use arrow::util::display::array_value_to_string;
use datafusion::prelude::CsvReadOptions;

use super::functions::{batches, context};

/// Entries of every notation that is known, and of every way to be refused, as people write them.
const ENTRIES: &[&str] = &[
    "20/40",
    "6/12",
    "3/60",
    "20/40+2",
    "6/18-2",
    "20/30-1+6",
    "20/20-",
    "10/10",
    "5/10",
    "12/10",
    "1/20",
    "10/10 P2",
    "8/10 P3",
    "10/10f",
    "0,8 Monoyer",
    "P2",
    "J1+",
    "79 letters",
    "20/20 ETDRS (83 letters)",
    "logMAR 0.3",
    "-0.1 logMAR",
    "CF",
    "CF at 1.5ft",
    "HM",
    "PL",
    "NLP",
    "CLD",
    "CLD à 1 m",
    "compte les doigts",
    "VBLM",
    "mouvement de la main",
    "PL+",
    "PL-",
    "SC 5/10",
    "unaided 6/9",
    "",
    ".",
    "NT",
    "non fait",
    "prosthesis",
    "0.5",
    "0,5",
    "1",
    "75",
    "CF at 8 feet to 20/400",
    "barely 20/30",
    "20/30 soft",
    "JM",
    "05-oct",
    "oct-10",
    "5 déc.",
    "4/11/2017",
    "0/10",
    "20/0",
    "garbage",
];

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/acuity.md")
}

/// A table as Markdown, from a query.
async fn table(sql: &str, register: Option<&Path>) -> String {
    let context = context();
    if let Some(path) = register {
        // Every column is text: an acuity such as 6/9 or 0.0 must arrive as it was typed.
        let schema = arrow::datatypes::Schema::new(
            ["eye", "timepoint", "va_value", "method", "measure"]
                .map(|name| arrow::datatypes::Field::new(name, arrow::datatypes::DataType::Utf8, true))
                .to_vec(),
        );
        context.register_csv("va", path.to_str().unwrap(), CsvReadOptions::new().schema(&schema)).await.unwrap();
    }
    let batches = batches(&context, sql).await.unwrap();
    let names: Vec<String> = batches[0].schema().fields().iter().map(|f| f.name().clone()).collect();
    let mut text = format!("| {} |\n|{}\n", names.join(" | "), " --- |".repeat(names.len()));
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = batch.columns().iter().map(|c| array_value_to_string(c, row).unwrap()).collect();
            writeln!(text, "| {} |", cells.join(" | ")).unwrap();
        }
    }
    text
}

/// Compares a part of the page with what it should hold, or writes it.
fn check(part: &str, printed: &str) {
    let text = std::fs::read_to_string(page()).unwrap();
    let (begin, end) = (format!("<!-- {part} -->\n"), format!("<!-- end of {part} -->"));
    let from = text.find(&begin).unwrap_or_else(|| panic!("{part} is not on the page")) + begin.len();
    let to = from + text[from..].find(&end).unwrap();
    if std::env::var_os("PLACIDO_WRITE_DOCS").is_some() {
        std::fs::write(page(), format!("{}{printed}{}", &text[..from], &text[to..])).unwrap();
    } else {
        assert_eq!(&text[from..to], printed, "{part} of docs/acuity.md");
    }
}

#[tokio::test]
async fn pages_say_how_entries_are_read() {
    let quoted: Vec<String> = ENTRIES.iter().enumerate().map(|(i, e)| format!("({i}, '{e}')")).collect();
    let notations = format!(
        "select '`' || entry || '`' as entry, a['kind'] as kind, round(a['logmar'], 3) as logmar, a['parinaud'] as parinaud, \
         a['reason'] as reason from (select i, entry, parse_acuity(entry) as a from (values {}) as t(i, entry)) order by i",
        quoted.join(", ")
    );
    check("notations", &table(&notations, None).await);

    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/realdata/va-notations/va_values.csv");
    if !real.exists() {
        eprintln!("skipped: the real acuity entries are absent");
        return;
    }
    let read = "select measure, va_value, parse_acuity(va_value, 'bach', measure) as a, parse_acuity(va_value) as b from va";
    let by_kind = format!(
        "select measure as label, a['kind'] as kind, count(*) as entries, count(a['logmar']) as with_logmar, \
         round(min(a['logmar']), 2) as lowest, round(max(a['logmar']), 2) as highest from ({read}) group by 1, 2 order by 1, 3 desc, 2"
    );
    check("labelled", &table(&by_kind, Some(&real)).await);
    let refused = format!(
        "select measure as label, regexp_replace(va_value, '[0-9]', '9', 'g') as shape, count(*) as entries, \
         coalesce(a['reason'], '') as with_the_label, coalesce(b['reason'], '') as without_a_label from ({read}) \
         where a['reason'] is not null or b['reason'] is not null group by 1, 2, 4, 5 order by 3 desc, 1, 2, 4, 5"
    );
    check("refused", &table(&refused, Some(&real)).await);
    let counts = format!("select count(*) as entries, count(a['logmar']) as labelled, count(b['logmar']) as bare from ({read})");
    let total = table(&counts, Some(&real)).await;
    assert!(total.lines().last().unwrap().starts_with("| 215 |"), "{total}");
    check("total", &total);
}
