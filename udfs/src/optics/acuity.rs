//! Visual acuity as people write it, English and French, and its logMAR.
//!
//! What can mean two things is refused with a reason; what was not measured is told apart from what cannot be read.

/// A notation in which an acuity is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Notation {
    /// Fraction of distances: 20/40, 6/12.
    Snellen,
    /// Tenths after Monoyer, and bare decimals.
    Decimal,
    /// Number of ETDRS letters.
    Letters,
    /// Logarithm of the minimum angle of resolution.
    LogMar,
}

impl Notation {
    /// A label as charts and tables carry it: `Snellen Metre`, `ETDRS Letters`, `logMAR`, `decimal`, `Monoyer`.
    pub fn parse(label: &str) -> Option<Self> {
        let label = label.trim().to_lowercase();
        match label.as_str() {
            l if l.contains("logmar") => Some(Self::LogMar),
            l if l.contains("etdrs") || l.contains("letter") || l.contains("lettre") => Some(Self::Letters),
            l if l.contains("snellen") => Some(Self::Snellen),
            l if l.contains("monoyer") || l.contains("decimal") || l.contains("décimal") => Some(Self::Decimal),
            _ => None,
        }
    }
}

/// Whose logMAR stands for counting fingers, hand motion, light perception and its absence. The sources disagree, so the
/// scheme is part of every result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scheme {
    /// Name, as in the SQL argument.
    pub name: &'static str,
    /// Counting fingers.
    pub counting_fingers: f64,
    /// Hand motion.
    pub hand_motion: f64,
    /// Light perception: an imputation, not a measurement.
    pub light_perception: Option<f64>,
    /// No light perception: an imputation, not a measurement.
    pub no_light_perception: Option<f64>,
}

/// The known schemes; the first is the default.
pub const SCHEMES: [Scheme; 5] = [
    // michaelbach.de/sci/acuity.html; the R package eye uses the same numbers.
    Scheme { name: "bach", counting_fingers: 1.9, hand_motion: 2.3, light_perception: Some(2.7), no_light_perception: Some(3.0) },
    // IOVS 2006;47:1236: decimal 0.014 and 0.005.
    Scheme {
        name: "schulze_bonsel",
        counting_fingers: 1.853_871_964_321_762,
        hand_motion: 2.301_029_995_663_981,
        light_perception: None,
        no_light_perception: None,
    },
    // Graefes 2009;247:137.
    Scheme { name: "lange", counting_fingers: 1.98, hand_motion: 2.28, light_perception: None, no_light_perception: None },
    // Counting fingers and hand motion at 2 feet.
    Scheme { name: "holladay", counting_fingers: 2.0, hand_motion: 3.0, light_perception: None, no_light_perception: None },
    Scheme { name: "herrero", counting_fingers: 2.0, hand_motion: 2.6, light_perception: None, no_light_perception: None },
];

/// The scheme of a name.
pub fn scheme(name: &str) -> Option<&'static Scheme> {
    SCHEMES.iter().find(|s| s.name == name)
}

/// What kind of entry was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Snellen fraction.
    Snellen,
    /// Tenths after Monoyer.
    Monoyer,
    /// Decimal acuity.
    Decimal,
    /// ETDRS letter score.
    Letters,
    /// logMAR.
    LogMar,
    /// Counts fingers.
    CountingFingers,
    /// Sees hand motion.
    HandMotion,
    /// Perceives light.
    LightPerception,
    /// Does not perceive light.
    NoLightPerception,
    /// Near acuity only.
    Near,
    /// Said not to have been measured, or empty.
    NotMeasured,
    /// Could mean more than one thing.
    Ambiguous,
    /// Not an acuity that is known here.
    Unreadable,
}

impl Kind {
    /// The word that tables show.
    pub fn name(self) -> &'static str {
        match self {
            Self::Snellen => "snellen",
            Self::Monoyer => "monoyer",
            Self::Decimal => "decimal",
            Self::Letters => "letters",
            Self::LogMar => "logmar",
            Self::CountingFingers => "counting_fingers",
            Self::HandMotion => "hand_motion",
            Self::LightPerception => "light_perception",
            Self::NoLightPerception => "no_light_perception",
            Self::Near => "near",
            Self::NotMeasured => "not_measured",
            Self::Ambiguous => "ambiguous",
            Self::Unreadable => "unreadable",
        }
    }
}

/// An acuity entry, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Acuity {
    /// Distance acuity; `None` where it was not measured, refused, or not defined by the scheme.
    pub logmar: Option<f64>,
    /// Parinaud number of a near acuity written beside it.
    pub parinaud: Option<f64>,
    /// What kind of entry it is.
    pub kind: Kind,
    /// Why there is no value, or what was left out of it.
    pub reason: Option<&'static str>,
}

impl Acuity {
    fn value(kind: Kind, logmar: f64) -> Self {
        // The sum turns the negative zero of -log10(1) into zero.
        Self { logmar: Some(logmar + 0.0), parinaud: None, kind, reason: None }
    }

    fn none(kind: Kind, reason: &'static str) -> Self {
        Self { logmar: None, parinaud: None, kind, reason: Some(reason) }
    }

    /// Decimal acuity.
    pub fn decimal(&self) -> Option<f64> {
        self.logmar.map(|l| 10f64.powf(-l))
    }

    /// ETDRS letters of an acuity on the chart; off-chart acuities have none.
    pub fn letters(&self) -> Option<f64> {
        self.logmar.map(logmar_to_letters).filter(|l| (0.0..=110.0).contains(l))
    }
}

/// `(85 − L)/50`, the ETDRS convention at 4 m (Beck 2003, Gregori 2010).
pub fn letters_to_logmar(letters: f64) -> f64 {
    (85.0 - letters) / 50.0
}

/// `85 − 50 logMAR`.
pub fn logmar_to_letters(logmar: f64) -> f64 {
    85.0 - 50.0 * logmar
}

/// logMAR of one letter on a chart of five letters a line.
const LETTER: f64 = 0.02;
const LONGEST: usize = 80;

const COUNTING_FINGERS: &[&str] = &[
    "cf",
    "fc",
    "counting fingers",
    "counting finger",
    "count fingers",
    "counts fingers",
    "finger count",
    "finger counting",
    "cld",
    "compte les doigts",
    "compte doigts",
    "vcd",
];
const HAND_MOTION: &[&str] = &[
    "hm",
    "hand motion",
    "hand motions",
    "hand movement",
    "hand movements",
    "handmotion",
    "vblm",
    "mdm",
    "voit bouger la main",
    "mouvement de la main",
    "mouvements de la main",
    "mouvement de main",
];
const LIGHT: &[&str] = &[
    "lp",
    "pl",
    "pl+",
    "light perception",
    "perception of light",
    "perception lumineuse",
    "perception lumineuse positive",
    "pl bonne orientation",
    "pl bien orientee",
    "pl bonne orientee",
    "pl mal orientee",
    "pl+ bien orientee",
    "pl+ mal orientee",
];
const NO_LIGHT: &[&str] = &[
    "nlp",
    "npl",
    "pl-",
    "no light perception",
    "no perception of light",
    "no light",
    "pas de perception lumineuse",
    "absence de perception lumineuse",
    "perception lumineuse negative",
];
const NOT_MEASURED: &[&str] = &[
    "",
    ".",
    "..",
    "...",
    "-",
    "--",
    "?",
    "/",
    "na",
    "n/a",
    "nan",
    "null",
    "none",
    "nt",
    "not tested",
    "not measured",
    "not done",
    "unable",
    "unable to test",
    "prosthesis",
    "prothese",
    "eye not present",
    "forgot glasses today",
    "nf",
    "non fait",
    "non mesure",
    "non mesuree",
    "non mesurable",
    "impossible",
    "refus",
    "refuse",
    "refused",
    "absent",
];
const CONDITIONS: &[&str] = &[
    "sc",
    "ac",
    "ts",
    "vl",
    "avl",
    "av",
    "sans correction",
    "avec correction",
    "trou stenopeique",
    "ph",
    "pinhole",
    "unaided",
    "glasses",
    "best corrected",
    "bcva",
    "ucva",
    "cc",
    "de loin",
];

/// Reads one entry. `hint` says in which notation bare numbers are written, where the column or a label says so; without it a
/// number that could be decimal acuity, logMAR or a letter count is refused as ambiguous.
pub fn parse(text: &str, scheme: &Scheme, hint: Option<Notation>) -> Acuity {
    if text.chars().count() > LONGEST {
        return Acuity::none(Kind::Unreadable, "longer than an acuity entry");
    }
    let text = normalise(text);
    if NOT_MEASURED.contains(&text.as_str()) {
        return Acuity::none(Kind::NotMeasured, "not measured");
    }
    if let Some(reading) = off_chart(&text, scheme) {
        return reading;
    }
    let (text, near) = match split_near(&text) {
        Ok(split) => split,
        Err(reason) => return Acuity::none(Kind::Unreadable, reason),
    };
    let far = strip_conditions(&text);
    if far.is_empty() {
        return match near {
            Some(parinaud) => {
                Acuity { logmar: None, parinaud, kind: Kind::Near, reason: Some("near acuity without a distance acuity") }
            }
            None => Acuity::none(Kind::Unreadable, "a condition without an acuity"),
        };
    }
    let mut reading = off_chart(far, scheme).unwrap_or_else(|| measured(far, hint));
    reading.parinaud = near.flatten();
    reading
}

/// Lower case, plain letters, decimal points, single blanks.
fn normalise(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let characters: Vec<char> = text.trim().chars().flat_map(char::to_lowercase).collect();
    for (i, &c) in characters.iter().enumerate() {
        let digit = |at: Option<&char>| at.is_some_and(char::is_ascii_digit);
        match c {
            'é' | 'è' | 'ê' | 'ë' => plain.push('e'),
            'à' | 'â' => plain.push('a'),
            'ô' => plain.push('o'),
            'î' | 'ï' => plain.push('i'),
            '−' | '–' | '—' => plain.push('-'),
            '⁄' | '∕' => plain.push('/'),
            ',' if digit(i.checked_sub(1).and_then(|b| characters.get(b))) && digit(characters.get(i + 1)) => plain.push('.'),
            c if c.is_whitespace() || c == '_' => {
                if !plain.ends_with(' ') {
                    plain.push(' ');
                }
            }
            c => plain.push(c),
        }
    }
    plain.trim().to_owned()
}

/// Fingers, hands, light; a distance may follow.
fn off_chart(text: &str, scheme: &Scheme) -> Option<Acuity> {
    let compact = text.replace(" +", "+").replace(" -", "-");
    let kinds = [
        (Kind::NoLightPerception, NO_LIGHT, scheme.no_light_perception),
        (Kind::LightPerception, LIGHT, scheme.light_perception),
        (Kind::CountingFingers, COUNTING_FINGERS, Some(scheme.counting_fingers)),
        (Kind::HandMotion, HAND_MOTION, Some(scheme.hand_motion)),
    ];
    let mut best: Option<(usize, Kind, Option<f64>)> = None;
    for (kind, words, logmar) in kinds {
        for word in words.iter().filter(|w| compact.starts_with(**w)) {
            let rest = &compact[word.len()..];
            let ends = !rest.starts_with(|c: char| c.is_alphanumeric() && !c.is_ascii_digit());
            if ends && best.is_none_or(|(length, ..)| word.len() > length) {
                best = Some((word.len(), kind, logmar));
            }
        }
    }
    let (length, kind, logmar) = best?;
    let rest = compact.get(length..).unwrap_or("").trim();
    if !(rest.is_empty() || is_distance(rest)) {
        let several = rest.contains('/') || COUNTING_FINGERS.iter().chain(HAND_MOTION).any(|w| rest.split(' ').any(|t| t == *w));
        return Some(if several {
            Acuity::none(Kind::Ambiguous, "more than one acuity")
        } else {
            Acuity::none(Kind::Unreadable, "text beside the acuity")
        });
    }
    let reason = logmar.is_none().then_some("the scheme gives this acuity no number");
    Some(Acuity { logmar, parinaud: None, kind, reason })
}

/// `at 1.5ft`, `@3`, `a 1 m`, `(30 cm)`.
fn is_distance(text: &str) -> bool {
    let text = text.trim_matches(|c| c == '(' || c == ')').trim();
    let text = ["at ", "a ", "@", "from ", "de ", "to "].iter().find_map(|p| text.strip_prefix(p)).unwrap_or(text).trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let units = ["", "m", "cm", "ft", "feet", "foot", "'", "metre", "metres", "meter", "meters", "in", "inches", "pied", "pieds"];
    number.parse::<f64>().is_ok() && units.contains(&unit.trim())
}

/// Takes a near acuity (Parinaud, Jaeger) off an entry: the rest and, if there was one, its Parinaud number.
#[allow(clippy::type_complexity)]
fn split_near(text: &str) -> Result<(String, Option<Option<f64>>), &'static str> {
    // `10/10p2` is `10/10 p2`.
    let mut spaced = String::with_capacity(text.len() + 2);
    for (i, c) in text.char_indices() {
        let after_digit = text[..i].ends_with(|c: char| c.is_ascii_digit());
        if c == 'p' && after_digit && text[i + 1..].starts_with(|c: char| c.is_ascii_digit()) {
            spaced.push(' ');
        }
        spaced.push(c);
    }
    let words: Vec<&str> = spaced.split(' ').collect();
    let mut near = None;
    let mut rest = Vec::new();
    let mut skip = false;
    for (i, word) in words.iter().enumerate() {
        if std::mem::take(&mut skip) {
            continue;
        }
        let next_number = words.get(i + 1).and_then(|w| w.parse::<f64>().ok());
        let own_number = word.strip_prefix("parinaud").or_else(|| word.strip_prefix('p')).and_then(|n| n.parse::<f64>().ok());
        let parinaud = match (own_number, next_number, *word) {
            (Some(number), ..) => Some(number),
            (None, Some(number), "p" | "parinaud") => {
                skip = true;
                Some(number)
            }
            _ => None,
        };
        let jaeger = word.strip_prefix('j').is_some_and(|n| n.trim_end_matches('+').parse::<u8>().is_ok());
        match (parinaud, jaeger) {
            (Some(number), _) if !(1.0..=40.0).contains(&number) => return Err("a Parinaud number is 1 to 40"),
            (Some(_), _) | (None, true) if near.is_some() => return Err("more than one near acuity"),
            (Some(number), _) => near = Some(Some(number)),
            (None, true) => near = Some(None),
            _ => rest.push(*word),
        }
    }
    // What follows a lone Jaeger line belongs to it: `J4 +2`.
    if near == Some(None) && rest.iter().all(|w| w.starts_with(['+', '-'])) {
        rest.clear();
    }
    Ok((rest.join(" "), near))
}

fn strip_conditions(text: &str) -> &str {
    let mut text = text.trim();
    loop {
        let stripped = CONDITIONS.iter().find_map(|word| {
            let front = text.strip_prefix(word).filter(|r| r.is_empty() || r.starts_with([' ', ':']));
            let back = text.strip_suffix(word).filter(|r| r.is_empty() || r.ends_with(' '));
            front.or(back).map(|r| r.trim_matches([' ', ':']))
        });
        match stripped {
            Some(rest) => text = rest,
            None => return text,
        }
    }
}

/// An entry with a number in it.
fn measured(text: &str, hint: Option<Notation>) -> Acuity {
    if is_month_date(text) {
        return Acuity::none(Kind::Unreadable, "a date, such as spreadsheets make of a fraction");
    }
    if let Some(reading) = labelled(text) {
        return reading;
    }
    if text.matches('/').count() > 1 {
        return Acuity::none(Kind::Unreadable, "looks like a date or more than one acuity");
    }
    match text.split_once('/') {
        Some((numerator, rest)) => fraction(numerator.trim(), rest.trim(), hint),
        None => bare(text, hint),
    }
}

/// `05-oct`, `oct-05`, `5 août`: a day and a month's name, which an acuity never has.
fn is_month_date(text: &str) -> bool {
    const MONTHS: [&str; 16] =
        ["jan", "feb", "fev", "mar", "apr", "avr", "may", "mai", "jun", "jui", "jul", "aug", "aou", "sep", "oct", "nov"];
    let mut words = text.split(['-', '.', ' ']).filter(|w| !w.is_empty());
    let (Some(a), Some(b), None) = (words.next(), words.next(), words.next()) else { return false };
    let day = |w: &str| w.len() <= 4 && w.chars().all(|c| c.is_ascii_digit());
    let month = |w: &str| w.chars().all(char::is_alphabetic) && (MONTHS.iter().any(|m| w.starts_with(m)) || w == "dec");
    (day(a) && month(b)) || (month(a) && day(b))
}

/// A number with its notation beside it: `0.3 logMAR`, `79 letters`.
fn labelled(text: &str) -> Option<Acuity> {
    let labels = [
        ("logmar", Notation::LogMar),
        ("letters", Notation::Letters),
        ("letter", Notation::Letters),
        ("lettres", Notation::Letters),
        ("ltrs", Notation::Letters),
        ("etdrs", Notation::Letters),
        ("monoyer", Notation::Decimal),
        ("decimal", Notation::Decimal),
        ("dec", Notation::Decimal),
    ];
    let (at, label, notation) = labels.iter().find_map(|(l, n)| text.find(l).map(|at| (at, *l, *n)))?;
    let around = |part: &str| part.trim_matches([' ', ':', '(', ')', '=']).trim().to_owned();
    let (before, after) = (around(&text[..at]), around(&text[at + label.len()..]));
    let number = match (before.as_str(), after.as_str()) {
        ("", number) | (number, "") => number.to_owned(),
        _ => return Some(Acuity::none(Kind::Ambiguous, "more than one acuity")),
    };
    // `20/20 ETDRS (83 letters)`: the letter count is what was measured.
    let number = match notation {
        Notation::Letters if number.contains('/') => number.rsplit(['(', ' ']).next()?.to_owned(),
        _ => number,
    };
    match number.parse::<f64>() {
        Ok(value) => Some(number_in(value, notation)),
        Err(_) => Some(Acuity::none(Kind::Unreadable, "text beside the acuity")),
    }
}

fn number_in(value: f64, notation: Notation) -> Acuity {
    let (kind, logmar, fits) = match notation {
        Notation::LogMar => (Kind::LogMar, value, (-0.4..=3.0).contains(&value)),
        Notation::Letters => (Kind::Letters, letters_to_logmar(value), (0.0..=110.0).contains(&value)),
        Notation::Decimal | Notation::Snellen => (Kind::Decimal, -value.log10(), value > 0.0 && value <= 2.5),
    };
    if fits { Acuity::value(kind, logmar) } else { Acuity::none(Kind::Unreadable, "outside the range of its notation") }
}

/// `20/40`, `6/12+2`, `5/10 f`: what stands after the slash may carry letters read on the next line or missed on this one.
fn fraction(numerator: &str, rest: &str, hint: Option<Notation>) -> Acuity {
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
    let (denominator, modifiers) = rest.split_at(end);
    let (Ok(n), Ok(d)) = (numerator.parse::<f64>(), denominator.parse::<f64>()) else {
        return Acuity::none(Kind::Unreadable, "text beside the acuity");
    };
    let decimal = n / d;
    if !(n > 0.0 && d > 0.0 && (0.0005..=3.0).contains(&decimal)) {
        return Acuity::none(Kind::Unreadable, "a fraction that is no acuity");
    }
    let kind = if (d == 10.0 && n != 20.0) || (n == 1.0 && (d == 20.0 || d == 50.0)) { Kind::Monoyer } else { Kind::Snellen };
    let (letters, reason) = match modifier_letters(modifiers) {
        Ok(read) => read,
        Err(reason) => return Acuity::none(Kind::Unreadable, reason),
    };
    let mut reading = Acuity::value(kind, -decimal.log10() - LETTER * letters);
    reading.reason = reason;
    if matches!(hint, Some(Notation::Letters | Notation::LogMar)) {
        reading.reason = Some("a fraction although the label says otherwise");
    }
    reading
}

/// Letters more (positive) or fewer than the line.
fn modifier_letters(text: &str) -> Result<(f64, Option<&'static str>), &'static str> {
    let text: String = text.chars().filter(|c| *c != ' ' && *c != '(' && *c != ')').collect();
    if matches!(text.as_str(), "f" | "faible" | "+" | "-" | "partiel") {
        return Ok((0.0, Some("a qualifier without a number of letters is not part of the value")));
    }
    let mut letters = 0.0;
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let sign = match rest.as_bytes()[0] {
            b'+' => 1.0,
            b'-' => -1.0,
            _ => return Err("text beside the acuity"),
        };
        let digits = rest[1..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |at| at + 1);
        let count: f64 = rest[1..digits].parse().map_err(|_| "text beside the acuity")?;
        if count > 9.0 {
            return Err("more letters than a line holds");
        }
        letters += sign * count;
        rest = &rest[digits..];
    }
    Ok((letters, None))
}

/// A number alone.
fn bare(text: &str, hint: Option<Notation>) -> Acuity {
    let Ok(value) = text.parse::<f64>() else {
        return Acuity::none(Kind::Unreadable, "not an acuity that is known");
    };
    let whole = value.fract() == 0.0 && !text.contains('.');
    match hint {
        Some(Notation::Snellen) => Acuity::none(Kind::Ambiguous, "a bare number although the label says a fraction"),
        Some(notation) => number_in(value, notation),
        None if !value.is_finite() => Acuity::none(Kind::Unreadable, "not an acuity that is known"),
        None if (-0.4..0.0).contains(&value) => Acuity::value(Kind::LogMar, value),
        None if whole && value > 3.0 && value <= 100.0 => Acuity::value(Kind::Letters, letters_to_logmar(value)),
        None if whole && (0.0..=3.0).contains(&value) => {
            Acuity::none(Kind::Ambiguous, "could be decimal acuity, logMAR or a letter count")
        }
        None if (0.0..=3.0).contains(&value) => Acuity::none(Kind::Ambiguous, "could be decimal acuity or logMAR"),
        None => Acuity::none(Kind::Unreadable, "outside the range of every notation"),
    }
}
