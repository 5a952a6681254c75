//! Statements about roles and rights, read from their words: CREATE ROLE, ALTER ROLE, DROP ROLE, GRANT, REVOKE, SHOW GRANTS.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::error::PgError;
use super::reader::Reader;
use super::statement::Statement;
use crate::access::roles::{Change, Grant, Membership, Object, Options, PUBLIC, Privilege};
use crate::access::scram::Verifier;

/// A statement about roles and rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RoleStatement {
    /// Changes that need to know nothing else, and the tag to answer with. Roles of `if_exists` that are missing are passed over.
    Change { changes: Vec<Change>, if_exists: bool, tag: &'static str },
    /// GRANT or REVOKE of rights on objects that have to be there.
    Rights(RightsChange),
    /// SHOW GRANTS, of one role or of all.
    Show(Option<String>),
    /// DROP OWNED BY.
    DropOwned { roles: Vec<String>, cascade: bool },
    /// REASSIGN OWNED BY … TO.
    Reassign { from: Vec<String>, to: String },
}

/// GRANT or REVOKE of rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RightsChange {
    pub(crate) revoke: bool,
    /// Nothing for ALL.
    pub(crate) privileges: Option<Vec<Privilege>>,
    pub(crate) on: Vec<Target>,
    pub(crate) roles: Vec<String>,
    /// WITH GRANT OPTION, or GRANT OPTION FOR.
    pub(crate) option: bool,
}

/// What a right is on, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Schema(String),
    AllIn(String),
    /// A table or view, with or without its schema.
    Relation(Option<String>, String),
    Model(String),
    AllModels,
}

/// Reads a statement if it is one about roles and rights.
pub(crate) fn read(sql: &str, tokens: &[TokenWithSpan]) -> Option<Result<Statement, PgError>> {
    let mut reader = Reader::new(sql, tokens);
    let role_word = |reader: &mut Reader<'_>| ["ROLE", "USER", "GROUP"].into_iter().find(|word| reader.word(word));
    let read = if reader.word("CREATE") {
        let word = role_word(&mut reader)?;
        create(&mut reader, word)
    } else if reader.word("ALTER") {
        role_word(&mut reader)?;
        alter(&mut reader)
    } else if reader.word("DROP") {
        if reader.word("OWNED") {
            drop_owned(&mut reader)
        } else {
            role_word(&mut reader)?;
            drop_roles(&mut reader)
        }
    } else if reader.word("REASSIGN") {
        reassign(&mut reader)
    } else if reader.word("GRANT") {
        grant(&mut reader)
    } else if reader.word("REVOKE") {
        revoke(&mut reader)
    } else if reader.word("SHOW") && reader.word("GRANTS") {
        show(&mut reader)
    } else {
        return None;
    };
    Some(read.map(|statement| Statement::Role(Box::new(statement))))
}

fn names(reader: &mut Reader<'_>) -> Result<Vec<String>, PgError> {
    let mut names = vec![role_name(reader)?];
    while reader.token(&Token::Comma) {
        names.push(role_name(reader)?);
    }
    Ok(names)
}

/// The name of a role; `GROUP` in front of it is an old spelling.
fn role_name(reader: &mut Reader<'_>) -> Result<String, PgError> {
    if !matches!(reader.peek(), Some(Token::Word(word)) if word.quote_style.is_some()) && !reader.at_last() {
        reader.word("GROUP");
    }
    reader.name()
}

fn create(reader: &mut Reader<'_>, word: &str) -> Result<RoleStatement, PgError> {
    let name = reader.name()?;
    let mut options = Options { login: (word == "USER").then_some(true), ..Options::default() };
    let mut changes = Vec::new();
    reader.word("WITH");
    while !reader.at_end() {
        let joins = |role: &str, member: &str, admin| {
            let (role, member) = (role.to_owned(), member.to_owned());
            Change::Join(Membership { role, member, admin, inherit: true, set: true })
        };
        if reader.word("IN") {
            if !reader.word("ROLE") {
                reader.expect_word("GROUP")?;
            }
            changes.extend(names(reader)?.iter().map(|role| joins(role, &name, false)));
        } else if reader.word("ROLE") || reader.word("USER") {
            changes.extend(names(reader)?.iter().map(|member| joins(&name, member, false)));
        } else if reader.word("ADMIN") {
            changes.extend(names(reader)?.iter().map(|member| joins(&name, member, true)));
        } else {
            option(reader, &mut options)?;
        }
    }
    changes.insert(0, Change::Create(name, options));
    Ok(RoleStatement::Change { changes, if_exists: false, tag: "CREATE ROLE" })
}

fn alter(reader: &mut Reader<'_>) -> Result<RoleStatement, PgError> {
    let name = reader.name()?;
    let tag = "ALTER ROLE";
    if reader.word("RENAME") {
        reader.expect_word("TO")?;
        let to = reader.name()?;
        reader.end()?;
        return Ok(RoleStatement::Change { changes: vec![Change::Rename(name, to)], if_exists: false, tag });
    }
    if reader.word("SET") || reader.word("RESET") || reader.word("IN") {
        return Err(PgError::new("0A000", "settings of a role are not supported")
            .with_hint("Set them when the session begins: options=-cname=value."));
    }
    let mut options = Options::default();
    reader.word("WITH");
    while !reader.at_end() {
        option(reader, &mut options)?;
    }
    Ok(RoleStatement::Change { changes: vec![Change::Alter(name, options)], if_exists: false, tag })
}

/// One option of CREATE ROLE and ALTER ROLE.
fn option(reader: &mut Reader<'_>, options: &mut Options) -> Result<(), PgError> {
    let flags: [(&str, &str, &mut Option<bool>); 4] = [
        ("SUPERUSER", "NOSUPERUSER", &mut options.superuser),
        ("CREATEROLE", "NOCREATEROLE", &mut options.create_role),
        ("INHERIT", "NOINHERIT", &mut options.inherit),
        ("LOGIN", "NOLOGIN", &mut options.login),
    ];
    for (yes, no, slot) in flags {
        if reader.word(yes) {
            *slot = Some(true);
            return Ok(());
        }
        if reader.word(no) {
            *slot = Some(false);
            return Ok(());
        }
    }
    if ["NOCREATEDB", "NOREPLICATION", "NOBYPASSRLS"].into_iter().any(|word| reader.word(word)) {
        return Ok(());
    }
    if let Some(word) = ["CREATEDB", "REPLICATION", "BYPASSRLS"].into_iter().find(|word| reader.word(word)) {
        return Err(PgError::new("0A000", format!("{word} is not supported: there is one database, and no replication")));
    }
    if reader.word("CONNECTION") {
        reader.expect_word("LIMIT")?;
        let limit = reader.integer()?;
        options.connection_limit = Some(match limit {
            -1 => None,
            limit => Some(u32::try_from(limit).map_err(|_| PgError::new("22023", format!("invalid connection limit: {limit}")))?),
        });
        return Ok(());
    }
    if reader.word("VALID") {
        reader.expect_word("UNTIL")?;
        options.valid_until = Some(instant(&reader.text()?)?);
        return Ok(());
    }
    reader.word("ENCRYPTED");
    reader.expect_word("PASSWORD")?;
    options.password = Some(if reader.word("NULL") { None } else { Some(verifier(&reader.text()?)?) });
    Ok(())
}

/// The verifier of a password, which may be one already.
pub(crate) fn verifier(password: &str) -> Result<Verifier, PgError> {
    if let Some(verifier) = Verifier::parse(password) {
        return Ok(verifier);
    }
    let looks_hashed = password.len() == 35 && password.starts_with("md5");
    if looks_hashed {
        return Err(PgError::new("0A000", "passwords that are hashed with MD5 are not supported")
            .with_hint("Give the password itself, or its SCRAM-SHA-256 verifier."));
    }
    if password.is_empty() {
        return Err(PgError::new("22023", "an empty string is not a valid password"));
    }
    Verifier::of(password).map_err(|error| PgError::new("58000", error.to_string()))
}

/// A point in time in microseconds; nothing for infinity.
fn instant(text: &str) -> Result<Option<i64>, PgError> {
    if text.trim().eq_ignore_ascii_case("infinity") {
        return Ok(None);
    }
    let text = text.trim();
    let zoned = ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"];
    let plain = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    let found = zoned
        .iter()
        .find_map(|format| DateTime::parse_from_str(text, format).ok().map(|at| at.timestamp_micros()))
        .or_else(|| {
            plain
                .iter()
                .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
                .map(|at| at.and_utc().timestamp_micros())
        })
        .or_else(|| {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros())
        });
    found.map(Some).ok_or_else(|| {
        PgError::new("22007", format!("invalid input syntax for type timestamp with time zone: \"{text}\""))
            .with_hint("Write 2027-01-31 or 2027-01-31 18:00:00+01:00.")
    })
}

fn drop_roles(reader: &mut Reader<'_>) -> Result<RoleStatement, PgError> {
    let if_exists = reader.word("IF");
    if if_exists {
        reader.expect_word("EXISTS")?;
    }
    let changes = names(reader)?.into_iter().map(Change::Drop).collect();
    reader.end()?;
    Ok(RoleStatement::Change { changes, if_exists, tag: "DROP ROLE" })
}

fn drop_owned(reader: &mut Reader<'_>) -> Result<RoleStatement, PgError> {
    reader.expect_word("BY")?;
    let roles = names(reader)?;
    let cascade = reader.word("CASCADE");
    if !cascade {
        reader.word("RESTRICT");
    }
    reader.end()?;
    Ok(RoleStatement::DropOwned { roles, cascade })
}

fn reassign(reader: &mut Reader<'_>) -> Result<RoleStatement, PgError> {
    reader.expect_word("OWNED")?;
    reader.expect_word("BY")?;
    let from = names(reader)?;
    reader.expect_word("TO")?;
    let to = role_name(reader)?;
    reader.end()?;
    Ok(RoleStatement::Reassign { from, to })
}

fn show(reader: &mut Reader<'_>) -> Result<RoleStatement, PgError> {
    let role = match reader.word("FOR") || reader.word("TO") {
        true => Some(role_name(reader)?),
        false => None,
    };
    reader.end()?;
    Ok(RoleStatement::Show(role))
}

fn grant(reader: &mut Reader<'_>) -> Result<RoleStatement, PgError> {
    let (words, on) = what(reader)?;
    reader.expect_word("TO")?;
    let roles = names(reader)?;
    let Some(on) = on else { return grant_role(reader, &words, &roles) };
    let mut option = false;
    if reader.word("WITH") {
        reader.expect_word("GRANT")?;
        reader.expect_word("OPTION")?;
        option = true;
    }
    granted_by(reader)?;
    let privileges = privileges(&words)?;
    Ok(RoleStatement::Rights(RightsChange { revoke: false, privileges, on, roles, option }))
}

fn grant_role(reader: &mut Reader<'_>, granted: &[String], members: &[String]) -> Result<RoleStatement, PgError> {
    let (mut admin, mut inherit, mut set) = (false, true, true);
    if reader.word("WITH") {
        loop {
            let slot = if reader.word("ADMIN") {
                &mut admin
            } else if reader.word("INHERIT") {
                &mut inherit
            } else {
                reader.expect_word("SET")?;
                &mut set
            };
            *slot = reader.word("OPTION") || reader.word("TRUE") || {
                reader.expect_word("FALSE")?;
                false
            };
            if !reader.token(&Token::Comma) {
                break;
            }
        }
    }
    granted_by(reader)?;
    let membership = |role: &String, member: &String| {
        let (role, member) = (role.clone(), member.clone());
        Change::Join(Membership { role, member, admin, inherit, set })
    };
    let changes = granted.iter().flat_map(|role| members.iter().map(move |member| membership(role, member))).collect();
    Ok(RoleStatement::Change { changes, if_exists: false, tag: "GRANT ROLE" })
}

fn granted_by(reader: &mut Reader<'_>) -> Result<(), PgError> {
    if reader.word("GRANTED") {
        return Err(PgError::new("0A000", "GRANTED BY is not supported: who granted a right is not kept"));
    }
    reader.end()
}

fn revoke(reader: &mut Reader<'_>) -> Result<RoleStatement, PgError> {
    let (mut option, mut only_admin) = (false, false);
    if reader.word("GRANT") {
        reader.expect_word("OPTION")?;
        reader.expect_word("FOR")?;
        option = true;
    } else if reader.word("ADMIN") {
        reader.expect_word("OPTION")?;
        reader.expect_word("FOR")?;
        only_admin = true;
    }
    let (words, on) = what(reader)?;
    reader.expect_word("FROM")?;
    let roles = names(reader)?;
    if !reader.word("CASCADE") {
        reader.word("RESTRICT");
    }
    reader.end()?;
    match on {
        Some(on) if !only_admin => {
            let privileges = privileges(&words)?;
            Ok(RoleStatement::Rights(RightsChange { revoke: true, privileges, on, roles, option }))
        }
        None if !option => {
            let leave = |role: &String, member: &String| {
                let (role, member) = (role.clone(), member.clone());
                Change::Leave { role, member, only_admin }
            };
            let changes = words.iter().flat_map(|role| roles.iter().map(move |member| leave(role, member))).collect();
            Ok(RoleStatement::Change { changes, if_exists: false, tag: "REVOKE ROLE" })
        }
        _ => Err(PgError::new("42601", "roles have an ADMIN OPTION, rights on objects a GRANT OPTION")),
    }
}

/// The words up to TO or FROM: names of roles, or privileges and what they are on.
fn what(reader: &mut Reader<'_>) -> Result<(Vec<String>, Option<Vec<Target>>), PgError> {
    let mut words = Vec::new();
    loop {
        let mut word = reader.name()?;
        if word == "all" {
            reader.word("PRIVILEGES");
        }
        if reader.peek() == Some(&Token::LParen) {
            return Err(PgError::new("0A000", "rights on single columns are not supported")
                .with_hint("Grant the right on a view that has only these columns."));
        }
        word.shrink_to_fit();
        words.push(word);
        if !reader.token(&Token::Comma) {
            break;
        }
    }
    if !reader.word("ON") {
        return Ok((words, None));
    }
    let on = if reader.word("SCHEMA") {
        let select = words.iter().any(|word| !matches!(word.as_str(), "usage" | "create" | "all"));
        // SELECT on a schema is one on all its tables and views.
        names(reader)?.into_iter().map(|name| if select { Target::AllIn(name) } else { Target::Schema(name) }).collect()
    } else if reader.word("ALL") {
        if reader.word("MODELS") {
            vec![Target::AllModels]
        } else {
            if !reader.word("TABLES") {
                reader.expect_word("VIEWS")?;
            }
            reader.expect_word("IN")?;
            reader.expect_word("SCHEMA")?;
            names(reader)?.into_iter().map(Target::AllIn).collect()
        }
    } else if reader.word("MODEL") {
        names(reader)?.into_iter().map(Target::Model).collect()
    } else {
        if let Some(kind) =
            ["FUNCTION", "PROCEDURE", "ROUTINE", "SEQUENCE", "DATABASE", "TYPE", "LANGUAGE", "DOMAIN", "LARGE", "PARAMETER"]
                .into_iter()
                .find(|kind| reader.word(kind))
        {
            return Err(PgError::new("0A000", format!("rights on a {kind} are not supported"))
                .with_hint("There are rights on schemas, tables, views and models."));
        }
        if !reader.word("TABLE") {
            reader.word("VIEW");
        }
        let mut relations = Vec::new();
        loop {
            let mut parts = vec![reader.name()?];
            while reader.token(&Token::Period) {
                parts.push(reader.name()?);
            }
            relations.push(match parts.as_slice() {
                [name] => Target::Relation(None, name.clone()),
                [.., schema, name] if parts.len() <= 3 => Target::Relation(Some(schema.clone()), name.clone()),
                _ => return Err(PgError::new("42601", "improper qualified name (too many dotted names)")),
            });
            if !reader.token(&Token::Comma) {
                break;
            }
        }
        relations
    };
    Ok((words, Some(on)))
}

fn privileges(words: &[String]) -> Result<Option<Vec<Privilege>>, PgError> {
    if let [all] = words
        && all == "all"
    {
        return Ok(None);
    }
    let known = |word: &String| {
        Privilege::ALL
            .into_iter()
            .find(|privilege| privilege.as_str().eq_ignore_ascii_case(word))
            .ok_or_else(|| PgError::new("42601", format!("unrecognized privilege type \"{word}\"")))
    };
    words.iter().map(known).collect::<Result<_, _>>().map(Some)
}

impl RightsChange {
    /// The single changes of what is the engine's. `find` says in which schema a table or view stands, or that there is none; `siblings` lists those of a
    /// schema.
    pub(crate) fn changes(
        &self,
        find: impl Fn(&Target) -> Result<Object, PgError>,
        siblings: impl Fn(&str) -> Vec<String>,
    ) -> Result<Vec<Change>, PgError> {
        let mut changes = Vec::new();
        for target in &self.on {
            let on = find(target)?;
            let (possible, kind): (&[Privilege], &str) = match &on {
                Object::Schema(_) => (&Privilege::OF_SCHEMA, "schema"),
                Object::AllIn(_) => (&Privilege::OF_RELATION, "relation"),
                Object::Relation(..) => (&Privilege::OF_RELATION, "table"),
                // USAGE is another word for it.
                Object::Model(_) | Object::AllModels => (&[Privilege::Execute], "model"),
            };
            let model = matches!(on, Object::Model(_) | Object::AllModels);
            // There is nothing else to give away of the layers, whose rows nobody changes.
            let all: &[Privilege] = match possible.contains(&Privilege::Select) && !self.revoke {
                true => &[Privilege::Select],
                false => possible,
            };
            let wanted = self.privileges.clone().unwrap_or_else(|| all.to_vec());
            for privilege in wanted {
                let privilege = if model && privilege == Privilege::Usage { Privilege::Execute } else { privilege };
                if !possible.contains(&privilege) {
                    return Err(PgError::new("0LP01", format!("invalid privilege type {privilege} for {kind}")));
                }
                for role in &self.roles {
                    let grant = Grant { to: role.clone(), privilege, on: on.clone(), grantable: self.option && !self.revoke };
                    changes.push(match (self.revoke, &on) {
                        (false, _) => Change::Grant(grant),
                        (true, Object::Relation(schema, _)) => {
                            Change::Revoke { grant, only_option: self.option, siblings: siblings(schema) }
                        }
                        (true, _) => Change::Revoke { grant, only_option: self.option, siblings: Vec::new() },
                    });
                }
            }
        }
        Ok(changes)
    }

    pub(crate) fn tag(&self) -> &'static str {
        if self.revoke { "REVOKE" } else { "GRANT" }
    }
}

/// What SHOW GRANTS calls everybody.
pub(crate) fn shown_role(name: &str) -> &str {
    if name == PUBLIC { "PUBLIC" } else { name }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::server::statement::parse;

    fn one(sql: &str) -> RoleStatement {
        match parse(sql).unwrap_or_else(|error| panic!("{sql}: {error}")).remove(0) {
            Statement::Role(statement) => *statement,
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn roles_are_read_as_postgres_writes_them() {
        let RoleStatement::Change { changes, tag, .. } = one(
            "create user \"Anna\" with nosuperuser createrole password 'x' connection limit 2 valid until '2027-01-31' in role a, b admin c",
        ) else {
            panic!()
        };
        assert_eq!((changes.len(), tag), (4, "CREATE ROLE"));
        let Change::Create(name, options) = &changes[0] else { panic!() };
        assert_eq!(name, "Anna");
        assert_eq!((options.login, options.superuser, options.create_role), (Some(true), Some(false), Some(true)));
        assert_eq!(options.connection_limit, Some(Some(2)));
        // PostgreSQL 15: select extract(epoch from timestamptz '2027-01-31 00:00+00') * 1e6
        assert_eq!(options.valid_until, Some(Some(1_801_353_600_000_000)));
        assert!(options.password.clone().unwrap().unwrap().accepts("x"));
        assert!(
            matches!(one("drop role if exists a, b"), RoleStatement::Change { if_exists: true, changes, .. } if changes.len() == 2)
        );
        assert!(
            matches!(one("alter role a rename to b"), RoleStatement::Change { changes, .. } if changes == [Change::Rename("a".into(), "b".into())])
        );
        assert!(matches!(one("show grants for anna"), RoleStatement::Show(Some(name)) if name == "anna"));
        assert!(
            matches!(one("grant a, b to c, d with admin option"), RoleStatement::Change { changes, .. } if changes.len() == 4)
        );
        assert!(
            matches!(one("drop owned by a, b cascade"), RoleStatement::DropOwned { roles, cascade: true } if roles == ["a", "b"])
        );
        assert!(matches!(one("reassign owned by a to current_user"), RoleStatement::Reassign { to, .. } if to == "current_user"));
        assert!(matches!(one("revoke admin option for a from c cascade"), RoleStatement::Change { tag: "REVOKE ROLE", .. }));
    }

    #[test]
    fn rights_are_read_on_every_kind_of_object() {
        for (sql, on) in [
            ("grant select on all tables in schema gold to anna", Target::AllIn("gold".into())),
            ("grant select on schema gold to anna", Target::AllIn("gold".into())),
            ("grant usage, create on schema gold to public", Target::Schema("gold".into())),
            (
                "grant all privileges on table gold.\"X\" to anna with grant option",
                Target::Relation(Some("gold".into()), "X".into()),
            ),
            (
                "revoke grant option for select on placido.gold.x from anna restrict",
                Target::Relation(Some("gold".into()), "x".into()),
            ),
            ("grant execute on model kc_dx to group anna", Target::Model("kc_dx".into())),
            ("grant usage on model kc_dx to anna", Target::Model("kc_dx".into())),
            ("revoke execute on all models from public", Target::AllModels),
            ("grant select on x to anna", Target::Relation(None, "x".into())),
        ] {
            let RoleStatement::Rights(change) = one(sql) else { panic!("{sql}") };
            assert_eq!(change.on, [on], "{sql}");
        }
        for (sql, code) in [
            ("grant select (a) on x to anna", "0A000"),
            ("grant select on function f to anna", "0A000"),
            ("grant fly on x to anna", "42601"),
            ("grant select on x", "42601"),
            ("grant to anna", "42601"),
            ("create role", "42601"),
            ("create role a password", "42601"),
            ("create role a flying", "42601"),
            ("create role a password 'md5d41d8cd98f00b204e9800998ecf8427e'", "0A000"),
            ("create role a valid until 'soon'", "22007"),
            ("alter role a set work_mem = 1", "0A000"),
        ] {
            assert_eq!(parse(sql).unwrap_err().code, code, "{sql}");
        }
    }
}
