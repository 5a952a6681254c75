//! The patterns of SIMILAR TO as regular expressions, which the engine takes them for.

use super::error::PgError;

/// The regular expression of a pattern. `escape` is the character that takes the meaning of the next, if there is one.
///
/// # Errors
/// SQLSTATE 22025 where the pattern ends with it.
pub(crate) fn regular_expression(pattern: &str, escape: Option<char>) -> Result<String, PgError> {
    let mut made = String::with_capacity(pattern.len() + 6);
    made.push_str("^(?:");
    let mut characters = pattern.chars();
    let mut in_class = false;
    while let Some(c) = characters.next() {
        if Some(c) == escape {
            let literal =
                characters.next().ok_or_else(|| PgError::new("22025", "LIKE pattern must not end with escape character"))?;
            if !literal.is_alphanumeric() && literal.is_ascii() {
                made.push('\\');
            }
            made.push(literal);
            continue;
        }
        match c {
            ']' if in_class => {
                in_class = false;
                made.push(c);
            }
            '\\' => made.push_str(r"\\"),
            _ if in_class => made.push(c),
            '[' => {
                in_class = true;
                made.push(c);
            }
            '%' => made.push_str("(?s:.*)"),
            '_' => made.push_str("(?s:.)"),
            '(' => made.push_str("(?:"),
            '.' | '^' | '$' => {
                made.push('\\');
                made.push(c);
            }
            _ => made.push(c),
        }
    }
    made.push_str(")$");
    Ok(made)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_the_standard() {
        // PostgreSQL's documentation, 9.7.2: what it says of each.
        for (text, pattern, expected) in [
            ("abc", "abc", true),
            ("abc", "a", false),
            ("abc", "%(b|d)%", true),
            ("abc", "(b|c)%", false),
            ("-abc-", r"%\mabc\M%", false),
            ("a.c", "a.c", true),
            ("abc", "a.c", false),
            ("a%", r"a\%", true),
            ("ab", r"a\%", false),
            ("a\nb", "a_b", true),
            ("b", "[a-c]", true),
        ] {
            let regex = regular_expression(pattern, Some('\\')).unwrap();
            assert_eq!(regex::Regex::new(&regex).unwrap().is_match(text), expected, "{text} {pattern} {regex}");
        }
        assert_eq!(regular_expression(r"a\", Some('\\')).unwrap_err().code, "22025");
    }
}
