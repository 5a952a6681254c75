//! A refraction in one cell, as French and English prescriptions write it.

use super::number;

/// Sphere, cylinder and axis; what is not written is not there.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Refraction {
    pub(crate) sphere: Option<f64>,
    pub(crate) cylinder: Option<f64>,
    pub(crate) axis: Option<f64>,
}

/// A longer text is no refraction.
const MAX_LEN: usize = 60;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token {
    Number {
        value: f64,
        signed: bool,
    },
    Open,
    Close,
    /// What stands before an axis.
    Axis,
    /// What stands after one.
    Degrees,
    Sphere,
    Cylinder,
}

/// Reads `-2,25 (-0,50 à 90°)`, `(90° -0,50) -2,25`, `-2.25 -0.50 x 90`, `plan (-0,50 à 90°)`, `-2.25 DS / -0.50 DC @ 90` or a sphere
/// alone; `None` where anything else stands, or where it is not certain which number is which.
pub(crate) fn parse(text: &str) -> Option<Refraction> {
    if text.len() > MAX_LEN {
        return None;
    }
    let tokens = tokens(text)?;
    let mut axis = None;
    // Dioptres, and whether they stand in brackets.
    let mut powers: Vec<(f64, bool)> = Vec::new();
    let (mut inside, mut brackets) = (false, 0);
    let mut after_mark = false;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Open if !inside && brackets == 0 => {
                inside = true;
                brackets += 1;
            }
            Token::Close if inside => inside = false,
            Token::Open | Token::Close => return None,
            Token::Axis if after_mark => return None,
            Token::Axis => {
                after_mark = true;
                continue;
            }
            Token::Number { value, signed } => {
                let degrees = tokens.get(at + 1) == Some(&Token::Degrees);
                if after_mark || degrees {
                    if *signed || axis.replace(*value).is_some() {
                        return None;
                    }
                } else {
                    powers.push((*value, inside));
                }
            }
            Token::Degrees if !matches!(tokens.get(at.checked_sub(1)?), Some(Token::Number { .. })) => return None,
            Token::Degrees | Token::Sphere | Token::Cylinder => {}
        }
        after_mark = false;
    }
    if inside || after_mark || axis.is_some_and(|axis: f64| !(0.0..=180.0).contains(&axis) || axis.fract() != 0.0) {
        return None;
    }
    let (sphere, cylinder) = match (powers.as_slice(), brackets) {
        ([(sphere, false)], 0) if axis.is_none() && !tokens.contains(&Token::Cylinder) => (Some(*sphere), None),
        ([(cylinder, true)], 1) => (None, Some(*cylinder)),
        ([(sphere, false), (cylinder, false)], 0) if axis.is_some() => (Some(*sphere), Some(*cylinder)),
        ([(sphere, false), (cylinder, true)] | [(cylinder, true), (sphere, false)], 1) => (Some(*sphere), Some(*cylinder)),
        _ => return None,
    };
    Some(Refraction { sphere, cylinder, axis })
}

/// Whether a text has more than one number in it, so that it is no plain sphere.
pub(crate) fn is_compound(text: &str) -> bool {
    parse(text).is_some_and(|refraction| refraction.cylinder.is_some())
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let text = text.to_lowercase();
    let mut rest = text.trim();
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            c if c.is_whitespace() || matches!(c, '/' | ';') => c.len_utf8(),
            '(' | '[' => {
                tokens.push(Token::Open);
                1
            }
            ')' | ']' => {
                tokens.push(Token::Close);
                1
            }
            '°' | 'º' => {
                tokens.push(Token::Degrees);
                first.len_utf8()
            }
            '@' | '×' | '*' => {
                tokens.push(Token::Axis);
                first.len_utf8()
            }
            '+' | '-' | '\u{2212}' | '0'..='9' | '.' | ',' => {
                let signed = matches!(first, '+' | '-' | '\u{2212}');
                let sign = if signed { first.len_utf8() } else { 0 };
                let after = rest.get(sign..)?;
                let blanks = after.len() - after.trim_start().len();
                let digits = after.get(blanks..)?;
                let end = digits.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ','))).unwrap_or(digits.len());
                let length = sign + blanks + end;
                let mut written = rest.get(..length)?;
                // A comma that no digit follows ends the number.
                written = written.trim_end_matches([',', '.']);
                tokens.push(Token::Number { value: number::parse(written)?, signed });
                length
            }
            c if c.is_alphabetic() => {
                let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
                match rest.get(..end)? {
                    "à" | "a" | "x" | "axe" | "axis" | "ax" => tokens.push(Token::Axis),
                    "deg" | "degrés" | "degrees" => tokens.push(Token::Degrees),
                    "plan" | "plano" | "pl" | "neutre" => tokens.push(Token::Number { value: 0.0, signed: true }),
                    "ds" | "sph" | "sphere" | "sphère" => tokens.push(Token::Sphere),
                    "dc" | "cyl" | "cylinder" | "cylindre" => tokens.push(Token::Cylinder),
                    "d" | "δ" | "dpt" => {}
                    _ => return None,
                }
                end
            }
            _ => return None,
        };
        rest = rest.get(length..)?;
    }
    Some(tokens)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_refraction_in_its_spellings() {
        for text in [
            "-2,25 (-0,50 à 90°)",
            "-2.25(-0.50)90°",
            "(90° -0,50) -2,25",
            "-2,25 (-0,50) 90°",
            "-2.25 -0.50 x 90",
            "-2.25 -0.50 X 90°",
            "-2.25/-0.50x90",
            "-2.25 DS / -0.50 DC @ 90",
            "\u{2212}2,25 ( \u{2212}0,50 à 90 )",
            "-2.25 sph -0.50 cyl axe 90",
            "- 2,25 (- 0,50 à 90°)",
        ] {
            let read = parse(text);
            assert_eq!(read, Some(Refraction { sphere: Some(-2.25), cylinder: Some(-0.5), axis: Some(90.0) }), "{text}");
        }
    }

    #[test]
    fn parts_of_it() {
        let all = |sphere, cylinder, axis| Some(Refraction { sphere, cylinder, axis });
        assert_eq!(parse("-2,25"), all(Some(-2.25), None, None));
        assert_eq!(parse("plan"), all(Some(0.0), None, None));
        assert_eq!(parse("+1.00 DS"), all(Some(1.0), None, None));
        assert_eq!(parse("plan (-0,50 à 90°)"), all(Some(0.0), Some(-0.5), Some(90.0)));
        assert_eq!(parse("(-0,50 à 90°)"), all(None, Some(-0.5), Some(90.0)));
        assert_eq!(parse("-2,25 (-0,50)"), all(Some(-2.25), Some(-0.5), None));
    }

    #[test]
    fn what_is_not_certain_is_not_read() {
        for text in [
            "",
            "-2,25 -0,50",
            "-2,25 -0,50 90",
            "-2,25 (-0,50 à 200°)",
            "-2,25 (-0,50 à 9,5°)",
            "10/10",
            "-2,25 add 2,00",
            "OD -2,25",
            "-2,25 (-0,50 à 90°) (-1)",
            "(-2,25",
            "-2,25)",
            "x",
            "-0,50 cyl",
            "-2,25 (-0,50 à -90°)",
            "--2",
            "-2,2,5 (-1 à 90°)",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(!is_compound("-2,25") && is_compound("-2,25 (-0,50 à 90°)"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,40}", like in "[-+0-9,.()°x@à ]{0,30}") {
            let _ = (parse(&text), parse(&like));
        }
    }
}
