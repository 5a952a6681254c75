//! Roles, who is a member of which, and what is granted to them: plain data and the rules of PostgreSQL 16 over it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::AccessError;
use super::scram::Verifier;

/// The name that stands for everybody.
pub const PUBLIC: &str = "public";

/// Schemas whose rows every role may read unless that is revoked: patients are known by key there, not by name.
const OPEN_SCHEMAS: &[&str] = &["bronze", "silver", "gold", "serving", "ml", "system"];

/// PostgreSQL's limit of a name.
const MAX_NAME_BYTES: usize = 63;
/// Roles, memberships and grants that are kept; each change writes all of them.
const MAX_ENTRIES: usize = 10_000;

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Privilege {
    /// Find what a schema holds.
    Usage,
    /// Make tables and views in a schema.
    Create,
    /// Read a table or view.
    Select,
    /// Add rows.
    Insert,
    /// Change rows.
    Update,
    /// Take rows away.
    Delete,
    /// Take all rows away.
    Truncate,
    /// Run a model.
    Execute,
}

impl Privilege {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 8] =
        [Self::Usage, Self::Create, Self::Select, Self::Insert, Self::Update, Self::Delete, Self::Truncate, Self::Execute];

    /// The word of SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "USAGE",
            Self::Create => "CREATE",
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
            Self::Execute => "EXECUTE",
        }
    }
}

/// What it may be done with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Object {
    /// A schema itself.
    Schema(String),
    /// Every table and view of a schema, also those that come later.
    AllIn(String),
    /// One table or view: schema and name.
    Relation(String, String),
    /// Every model, also those that come later.
    AllModels,
    /// One model, whatever its version.
    Model(String),
}

impl Object {
    /// The kind of the object, as messages and `SHOW GRANTS` name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Schema(_) => "schema",
            Self::AllIn(_) => "all tables in schema",
            Self::Relation(..) => "table",
            Self::AllModels => "all models",
            Self::Model(_) => "model",
        }
    }

    /// The name of the object; nothing for all models.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Schema(schema) | Self::AllIn(schema) => Some(schema.clone()),
            Self::Relation(schema, name) => Some(format!("{schema}.{name}")),
            Self::Model(name) => Some(name.clone()),
            Self::AllModels => None,
        }
    }
}

/// A role; one that can log in is a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Stays the same when the role is renamed.
    pub oid: u32,
    /// Whether it can log in.
    #[serde(default)]
    pub login: bool,
    /// Whether nothing is forbidden to it.
    #[serde(default)]
    pub superuser: bool,
    /// Whether it may make other roles.
    #[serde(default)]
    pub create_role: bool,
    /// Whether it has the rights of the roles that it is a member of without `SET ROLE`.
    #[serde(default = "yes")]
    pub inherit: bool,
    /// Sessions that it may have at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<u32>,
    /// What is kept of its password.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "verifier_text")]
    pub password: Option<Verifier>,
    /// When the password ends, in microseconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<i64>,
}

fn yes() -> bool {
    true
}

mod verifier_text {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::Verifier;

    pub(super) fn serialize<S: Serializer>(verifier: &Option<Verifier>, to: S) -> Result<S::Ok, S::Error> {
        match verifier {
            Some(verifier) => to.collect_str(verifier),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Verifier>, D::Error> {
        let text = String::deserialize(from)?;
        Verifier::parse(&text).map(Some).ok_or_else(|| serde::de::Error::custom("a password is no SCRAM-SHA-256 verifier"))
    }
}

/// The membership of a role in another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// The role whose rights are given.
    pub role: String,
    /// The role that has them.
    pub member: String,
    /// Whether the member may let others in.
    #[serde(default)]
    pub admin: bool,
    /// Whether the member has the rights without `SET ROLE`.
    #[serde(default = "yes")]
    pub inherit: bool,
    /// Whether the member may `SET ROLE`.
    #[serde(default = "yes")]
    pub set: bool,
}

/// A right that a role has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The role, or [`PUBLIC`].
    pub to: String,
    /// What it may do.
    pub privilege: Privilege,
    /// With what.
    pub on: Object,
    /// Whether it may grant the same to others.
    #[serde(default)]
    pub grantable: bool,
}

/// What `CREATE ROLE` and `ALTER ROLE` say of a role; what is nothing stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// LOGIN.
    pub login: Option<bool>,
    /// SUPERUSER.
    pub superuser: Option<bool>,
    /// CREATEROLE.
    pub create_role: Option<bool>,
    /// INHERIT.
    pub inherit: Option<bool>,
    /// CONNECTION LIMIT; nothing inside for no limit.
    pub connection_limit: Option<Option<u32>>,
    /// PASSWORD; nothing inside for NULL.
    pub password: Option<Option<Verifier>>,
    /// VALID UNTIL; nothing inside for `infinity`.
    pub valid_until: Option<Option<i64>>,
}

impl Options {
    fn apply(&self, role: &mut Role) {
        role.login = self.login.unwrap_or(role.login);
        role.superuser = self.superuser.unwrap_or(role.superuser);
        role.create_role = self.create_role.unwrap_or(role.create_role);
        role.inherit = self.inherit.unwrap_or(role.inherit);
        role.connection_limit = self.connection_limit.unwrap_or(role.connection_limit);
        role.password = self.password.clone().unwrap_or_else(|| role.password.take());
        role.valid_until = self.valid_until.unwrap_or(role.valid_until);
    }

    /// Whether only the password changes, which everybody may do for themselves.
    fn only_password(&self) -> bool {
        *self == Self { password: self.password.clone(), ..Self::default() }
    }
}

/// A change of roles or grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// CREATE ROLE.
    Create(String, Options),
    /// ALTER ROLE.
    Alter(String, Options),
    /// ALTER ROLE … RENAME TO.
    Rename(String, String),
    /// DROP ROLE.
    Drop(String),
    /// DROP OWNED BY: everything that is granted to a role.
    DropGrants(String),
    /// GRANT of a role.
    Join(Membership),
    /// REVOKE of a role from a member, or of its ADMIN OPTION only.
    Leave {
        /// The role.
        role: String,
        /// Who is a member no more.
        member: String,
        /// Whether only the option is taken.
        only_admin: bool,
    },
    /// GRANT of a right.
    Grant(Grant),
    /// REVOKE of a right, or of its GRANT OPTION only.
    Revoke {
        /// The right.
        grant: Grant,
        /// Whether only the option is taken.
        only_option: bool,
        /// The tables and views of the schema, where one of them is taken out of a right on all.
        siblings: Vec<String>,
    },
}

/// Who asks for a change.
#[derive(Debug, Clone, Copy)]
pub enum Actor<'a> {
    /// The administrator of the machine, or a trusted user before there are roles.
    Everything,
    /// A role.
    Role(&'a str),
}

/// All roles, memberships and grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// From which the salts of unknown users are made.
    #[serde(with = "bytes_text")]
    secret: Vec<u8>,
    /// Whether a role that can log in was ever made: from then on nobody is trusted for coming from this machine.
    closed: bool,
    next_oid: u32,
    #[serde(default, rename = "role")]
    roles: BTreeMap<String, Role>,
    #[serde(default, rename = "member")]
    memberships: Vec<Membership>,
    #[serde(default, rename = "grant")]
    grants: Vec<Grant>,
}

mod bytes_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        BASE64.decode(String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

impl Roles {
    /// No roles yet, and what everybody may read by default.
    pub fn new(secret: Vec<u8>) -> Self {
        let to_all = |privilege, on| Grant { to: PUBLIC.to_owned(), privilege, on, grantable: false };
        let mut grants = vec![to_all(Privilege::Execute, Object::AllModels)];
        for schema in OPEN_SCHEMAS {
            grants.push(to_all(Privilege::Usage, Object::Schema((*schema).to_owned())));
            grants.push(to_all(Privilege::Select, Object::AllIn((*schema).to_owned())));
        }
        // Below are the identifiers of PostgreSQL's own objects.
        Self { secret, closed: false, next_oid: 16_384, roles: BTreeMap::new(), memberships: Vec::new(), grants }
    }

    /// What the salts of unknown users are made of.
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// Whether there was ever a role that can log in.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The role of a name.
    pub fn get(&self, name: &str) -> Option<&Role> {
        self.roles.get(name)
    }

    /// Names and roles, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Role)> {
        self.roles.iter()
    }

    /// All memberships.
    pub fn memberships(&self) -> &[Membership] {
        &self.memberships
    }

    /// All grants.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Whether a role is, directly or through others, a member of another, by memberships that `through` lets pass. Everybody is
    /// a member of themselves.
    pub fn is_member(&self, member: &str, role: &str, through: impl Fn(&Membership) -> bool) -> bool {
        let mut seen = BTreeSet::from([member]);
        let mut open = vec![member];
        while let Some(next) = open.pop() {
            if next == role {
                return true;
            }
            for step in self.memberships.iter().filter(|step| step.member == next && through(step)) {
                if seen.insert(&step.role) {
                    open.push(&step.role);
                }
            }
        }
        false
    }

    /// Whether `user` may `SET ROLE` to `role`, which exists.
    pub fn may_become(&self, user: &str, role: &str) -> bool {
        self.get(user).is_some_and(|user| user.superuser) || self.is_member(user, role, |step| step.set)
    }

    /// What a role may do. One that does not exist may do nothing, not even what everybody may.
    pub fn rights(&self, name: &str) -> Rights {
        let Some(role) = self.get(name) else { return Rights::default() };
        let mut acting = BTreeSet::new();
        let mut open = vec![name];
        while let Some(next) = open.pop() {
            let inherits = self.get(next).is_some_and(|role| role.inherit);
            if acting.insert(next.to_owned()) && inherits {
                open.extend(
                    self.memberships.iter().filter(|step| step.member == next && step.inherit).map(|step| step.role.as_str()),
                );
            }
        }
        let held = |grant: &&Grant| grant.to == PUBLIC || acting.contains(&grant.to);
        Rights {
            everything: role.superuser,
            create_role: role.create_role,
            grants: self.grants.iter().filter(held).map(|grant| (grant.privilege, grant.on.clone())).collect(),
            grantable: self
                .grants
                .iter()
                .filter(|grant| grant.grantable && acting.contains(&grant.to))
                .map(|grant| (grant.privilege, grant.on.clone()))
                .collect(),
            roles: acting,
        }
    }

    /// Makes a change that `by` asks for.
    ///
    /// # Errors
    /// As PostgreSQL: what is missing, taken, or not permitted. Nothing is changed then.
    pub fn change(&mut self, by: Actor<'_>, change: &Change) -> Result<(), AccessError> {
        self.permitted(by, change)?;
        match change {
            Change::Create(name, options) => {
                check_name(name)?;
                if self.roles.contains_key(name) {
                    return Err(AccessError::new("42710", format!("role \"{name}\" already exists")));
                }
                self.room()?;
                let mut role = Role {
                    oid: self.next_oid,
                    login: false,
                    superuser: false,
                    create_role: false,
                    inherit: true,
                    connection_limit: None,
                    password: None,
                    valid_until: None,
                };
                options.apply(&mut role);
                self.next_oid += 1;
                self.closed |= role.login;
                self.roles.insert(name.clone(), role);
                // As in PostgreSQL 16: who makes a role without being superuser administers it.
                if let Actor::Role(maker) = by
                    && !self.rights(maker).everything
                {
                    let (role, member) = (name.clone(), maker.to_owned());
                    self.memberships.push(Membership { role, member, admin: true, inherit: false, set: false });
                }
            }
            Change::Alter(name, options) => {
                let role = self.roles.get_mut(name).ok_or_else(|| missing(name))?;
                options.apply(role);
                self.closed |= role.login;
            }
            Change::Rename(from, to) => self.rename(from, to)?,
            Change::Drop(name) => self.drop_role(name)?,
            Change::DropGrants(name) => {
                self.known(name)?;
                self.grants.retain(|grant| grant.to != *name);
            }
            Change::Join(membership) => self.join(membership)?,
            Change::Leave { role, member, only_admin } => {
                self.known(role)?;
                self.known(member)?;
                let same = |step: &Membership| step.role == *role && step.member == *member;
                match only_admin {
                    true => self.memberships.iter_mut().filter(|step| same(step)).for_each(|step| step.admin = false),
                    false => self.memberships.retain(|step| !same(step)),
                }
            }
            Change::Grant(grant) => {
                self.known_or_public(&grant.to)?;
                if grant.grantable && grant.to == PUBLIC {
                    return Err(AccessError::new("0LP01", "grant options can only be granted to roles"));
                }
                self.grant(grant)?;
            }
            Change::Revoke { grant, only_option, siblings } => {
                self.known_or_public(&grant.to)?;
                self.revoke(grant, *only_option, siblings)?;
            }
        }
        Ok(())
    }

    fn grant(&mut self, grant: &Grant) -> Result<(), AccessError> {
        match self.grants.iter_mut().find(|known| same_right(known, grant)) {
            Some(known) => known.grantable |= grant.grantable,
            None => {
                self.room()?;
                self.grants.push(grant.clone());
            }
        }
        Ok(())
    }

    /// A right on all tables of a schema from which one is taken becomes a right on each of the others.
    fn revoke(&mut self, grant: &Grant, only_option: bool, siblings: &[String]) -> Result<(), AccessError> {
        if let Object::Relation(schema, name) = &grant.on {
            let wide = Grant { on: Object::AllIn(schema.clone()), ..grant.clone() };
            if let Some(found) = self.grants.iter().find(|known| same_right(known, &wide)).cloned() {
                self.grants.retain(|known| !same_right(known, &wide));
                for sibling in siblings.iter().filter(|sibling| *sibling != name || only_option) {
                    let grantable = found.grantable && sibling != name;
                    self.grant(&Grant { on: Object::Relation(schema.clone(), sibling.clone()), grantable, ..grant.clone() })?;
                }
            }
        }
        let covered = |known: &Grant| {
            let within = match (&grant.on, &known.on) {
                (Object::AllIn(all), Object::Relation(schema, _)) => all == schema,
                (Object::AllModels, Object::Model(_)) => true,
                (asked, known) => asked == known,
            };
            within && known.to == grant.to && known.privilege == grant.privilege
        };
        match only_option {
            true => self.grants.iter_mut().filter(|known| covered(known)).for_each(|known| known.grantable = false),
            false => self.grants.retain(|known| !covered(known)),
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), AccessError> {
        check_name(to)?;
        if self.roles.contains_key(to) {
            return Err(AccessError::new("42710", format!("role \"{to}\" already exists")));
        }
        let role = self.roles.remove(from).ok_or_else(|| missing(from))?;
        self.roles.insert(to.to_owned(), role);
        let names = self.memberships.iter_mut().flat_map(|step| [&mut step.role, &mut step.member]);
        for name in names.chain(self.grants.iter_mut().map(|grant| &mut grant.to)).filter(|name| *name == from) {
            to.clone_into(name);
        }
        Ok(())
    }

    fn drop_role(&mut self, name: &str) -> Result<(), AccessError> {
        self.known(name)?;
        if let Some(grant) = self.grants.iter().find(|grant| grant.to == name) {
            let object = format!("{} {}", grant.on.kind(), grant.on.name().unwrap_or_default());
            return Err(AccessError::new(
                "2BP01",
                format!("role \"{name}\" cannot be dropped because some objects depend on it"),
            )
            .with_hint(format!("It has privileges for {}. DROP OWNED BY {name} takes them all.", object.trim_end())));
        }
        self.roles.remove(name);
        self.memberships.retain(|step| step.role != name && step.member != name);
        Ok(())
    }

    fn join(&mut self, membership: &Membership) -> Result<(), AccessError> {
        let Membership { role, member, admin, inherit, set } = membership;
        self.known(role)?;
        self.known(member)?;
        if self.is_member(role, member, |_| true) {
            return Err(AccessError::new("0LP01", format!("role \"{role}\" is a member of role \"{member}\"")));
        }
        match self.memberships.iter_mut().find(|step| step.role == *role && step.member == *member) {
            Some(known) => {
                known.admin |= admin;
                (known.inherit, known.set) = (*inherit, *set);
            }
            None => {
                self.room()?;
                self.memberships.push(membership.clone());
            }
        }
        Ok(())
    }

    /// Whether `by` may make a change, as PostgreSQL 16 has it.
    fn permitted(&self, by: Actor<'_>, change: &Change) -> Result<(), AccessError> {
        let Actor::Role(name) = by else { return Ok(()) };
        let rights = self.rights(name);
        if rights.everything {
            return Ok(());
        }
        let superuser = |role: &str| self.get(role).is_some_and(|role| role.superuser);
        let administers = |role: &str| {
            self.memberships.iter().any(|step| step.role == role && step.admin && rights.roles.contains(&step.member))
        };
        let denied = |what: &str| Err(AccessError::new("42501", format!("permission denied to {what}")));
        match change {
            Change::Create(_, options) if !rights.create_role => {
                let _ = options;
                denied("create role")
            }
            Change::Create(_, options) if options.superuser == Some(true) => denied("create role"),
            Change::Alter(role, options) => match role == name && options.only_password() {
                true => Ok(()),
                false if superuser(role) || options.superuser.is_some() => denied("alter role"),
                false if rights.create_role && (administers(role) || role == name) => Ok(()),
                false => denied("alter role"),
            },
            Change::Rename(role, _) if superuser(role) || !rights.create_role || !administers(role) => denied("rename role"),
            Change::Drop(role) if superuser(role) || !rights.create_role || !administers(role) => denied("drop role"),
            Change::DropGrants(role) if !rights.roles.contains(role) => denied("drop objects"),
            Change::Join(Membership { role, .. }) | Change::Leave { role, .. } if superuser(role) || !administers(role) => {
                self.known(role)?;
                let verb = if matches!(change, Change::Join(_)) { "grant" } else { "revoke" };
                denied(&format!("{verb} role \"{role}\""))
            }
            Change::Grant(grant) | Change::Revoke { grant, .. } if !rights.may_grant(grant.privilege, &grant.on) => {
                Err(denied_on(&grant.on, None))
            }
            _ => Ok(()),
        }
    }

    fn known(&self, name: &str) -> Result<(), AccessError> {
        if self.roles.contains_key(name) { Ok(()) } else { Err(missing(name)) }
    }

    fn known_or_public(&self, name: &str) -> Result<(), AccessError> {
        if name == PUBLIC { Ok(()) } else { self.known(name) }
    }

    fn room(&self) -> Result<(), AccessError> {
        if self.roles.len() + self.memberships.len() + self.grants.len() < MAX_ENTRIES {
            return Ok(());
        }
        Err(AccessError::new("54000", format!("more than {MAX_ENTRIES} roles, memberships and grants")))
    }
}

fn same_right(one: &Grant, other: &Grant) -> bool {
    one.to == other.to && one.privilege == other.privilege && one.on == other.on
}

fn missing(name: &str) -> AccessError {
    AccessError::new("42704", format!("role \"{name}\" does not exist"))
}

/// A name that PostgreSQL takes for a role.
fn check_name(name: &str) -> Result<(), AccessError> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(AccessError::new(
            "42602",
            format!("a role's name has 1 to {MAX_NAME_BYTES} bytes and no control characters"),
        ));
    }
    if name == PUBLIC || name == "none" {
        return Err(AccessError::new("42939", format!("role name \"{name}\" is reserved")));
    }
    if name.starts_with("pg_") {
        return Err(AccessError::new("42939", format!("role name \"{name}\" is reserved"))
            .with_hint("Role names starting with \"pg_\" are reserved."));
    }
    Ok(())
}

/// The error of one who may not do something with an object. `kind` says what a relation is.
pub fn denied_on(object: &Object, kind: Option<&str>) -> AccessError {
    let (kind, name) = match object {
        Object::Schema(schema) | Object::AllIn(schema) => ("schema", schema.as_str()),
        Object::Relation(_, name) => (kind.unwrap_or("table"), name.as_str()),
        Object::Model(name) => ("model", name.as_str()),
        Object::AllModels => return AccessError::new("42501", "permission denied for all models"),
    };
    AccessError::new("42501", format!("permission denied for {kind} {name}"))
}

/// What a role may do at a moment: its own rights, those of the roles that it inherits from, and those of everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    everything: bool,
    create_role: bool,
    grants: BTreeSet<(Privilege, Object)>,
    grantable: BTreeSet<(Privilege, Object)>,
    roles: BTreeSet<String>,
}

impl Rights {
    /// Those of a superuser.
    pub fn everything() -> Self {
        Self { everything: true, create_role: true, ..Self::default() }
    }

    /// Whether nothing is forbidden.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether they include those of a role.
    pub fn include(&self, role: &str) -> bool {
        self.everything || self.roles.contains(role)
    }

    /// Whether something may be done with an object. For a table or view that does not say that its schema may be used.
    pub fn may(&self, privilege: Privilege, object: &Object) -> bool {
        self.everything || has(&self.grants, privilege, object)
    }

    /// Whether the same may be granted to others.
    pub fn may_grant(&self, privilege: Privilege, object: &Object) -> bool {
        self.everything || has(&self.grantable, privilege, object)
    }

    /// Whether what a schema holds may be found.
    pub fn may_use(&self, schema: &str) -> bool {
        self.may(Privilege::Usage, &Object::Schema(schema.to_owned()))
    }

    /// Whether a table or view may be found and read.
    pub fn may_read(&self, schema: &str, name: &str) -> bool {
        self.may_use(schema) && self.may(Privilege::Select, &Object::Relation(schema.to_owned(), name.to_owned()))
    }
}

fn has(set: &BTreeSet<(Privilege, Object)>, privilege: Privilege, object: &Object) -> bool {
    let within = match object {
        Object::Relation(schema, _) => Some(Object::AllIn(schema.clone())),
        Object::Model(_) => Some(Object::AllModels),
        _ => None,
    };
    set.contains(&(privilege, object.clone())) || within.is_some_and(|all| set.contains(&(privilege, all)))
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn roles(names: &[&str]) -> Roles {
        let mut roles = Roles::new(vec![1]);
        for name in names {
            let options = Options { login: Some(true), ..Options::default() };
            roles.change(Actor::Everything, &Change::Create((*name).to_owned(), options)).unwrap();
        }
        roles
    }

    fn join(role: &str, member: &str) -> Change {
        Change::Join(Membership { role: role.into(), member: member.into(), admin: false, inherit: true, set: true })
    }

    fn right(to: &str, privilege: Privilege, on: Object) -> Grant {
        Grant { to: to.into(), privilege, on, grantable: false }
    }

    fn raw(name: &str) -> Object {
        Object::Relation("raw".into(), name.into())
    }

    #[test]
    fn names_of_patients_are_for_those_to_whom_they_are_granted() {
        let mut roles = roles(&["anna", "bert"]);
        assert!(roles.rights("anna").may_read("gold", "eye_features"));
        assert!(!roles.rights("anna").may_read("raw", "ms39"));
        roles.change(Actor::Everything, &Change::Grant(right("anna", Privilege::Select, raw("ms39")))).unwrap();
        assert!(!roles.rights("anna").may_read("raw", "ms39"), "the schema may not be used yet");
        let usage = right("anna", Privilege::Usage, Object::Schema("raw".into()));
        roles.change(Actor::Everything, &Change::Grant(usage)).unwrap();
        assert!(roles.rights("anna").may_read("raw", "ms39"));
        assert!(!roles.rights("anna").may_read("raw", "corvis") && !roles.rights("bert").may_read("raw", "ms39"));
        assert!(!roles.rights("nobody").may_read("gold", "eye_features"), "who is no role may nothing");
    }

    #[test]
    fn rights_come_through_roles_as_far_as_they_inherit() {
        let mut roles = roles(&["anna", "clinician", "reader"]);
        for change in [join("clinician", "anna"), join("reader", "clinician")] {
            roles.change(Actor::Everything, &change).unwrap();
        }
        roles.change(Actor::Everything, &Change::Grant(right("reader", Privilege::Select, raw("x")))).unwrap();
        assert!(roles.rights("anna").may(Privilege::Select, &raw("x")));
        let alone = Options { inherit: Some(false), ..Options::default() };
        roles.change(Actor::Everything, &Change::Alter("anna".into(), alone)).unwrap();
        assert!(!roles.rights("anna").may(Privilege::Select, &raw("x")));
        assert!(roles.may_become("anna", "reader") && !roles.may_become("reader", "anna"));
        let error = roles.change(Actor::Everything, &join("anna", "reader")).unwrap_err();
        assert_eq!(error.code, "0LP01", "no circles");
    }

    #[test]
    fn one_table_can_be_taken_out_of_a_right_on_all() {
        let mut roles = roles(&["anna"]);
        let take = |name: &str, siblings: &[&str]| Change::Revoke {
            grant: right(PUBLIC, Privilege::Select, Object::Relation("gold".into(), name.into())),
            only_option: false,
            siblings: siblings.iter().map(|name| (*name).to_owned()).collect(),
        };
        roles.change(Actor::Everything, &take("a", &["a", "b", "c"])).unwrap();
        let rights = roles.rights("anna");
        assert!(!rights.may_read("gold", "a") && rights.may_read("gold", "b") && rights.may_read("gold", "c"));
        let all = right(PUBLIC, Privilege::Select, Object::AllIn("gold".into()));
        let change = Change::Revoke { grant: all, only_option: false, siblings: Vec::new() };
        roles.change(Actor::Everything, &change).unwrap();
        assert!(!roles.rights("anna").may_read("gold", "b"));
    }

    #[test]
    fn only_who_may_change_rights_does() {
        let mut roles = roles(&["anna", "bert", "chief"]);
        let maker = Options { create_role: Some(true), ..Options::default() };
        roles.change(Actor::Everything, &Change::Alter("chief".into(), maker)).unwrap();
        let code =
            |roles: &mut Roles, by: &str, change: Change| roles.change(Actor::Role(by), &change).err().map(|error| error.code);
        let create = |name: &str, options: Options| Change::Create(name.into(), options);
        let grant = Change::Grant(right("bert", Privilege::Select, raw("x")));
        assert_eq!(code(&mut roles, "anna", create("eve", Options::default())), Some("42501"));
        assert_eq!(code(&mut roles, "anna", grant.clone()), Some("42501"));
        assert_eq!(code(&mut roles, "anna", join("chief", "anna")), Some("42501"));
        let boss = Options { superuser: Some(true), ..Options::default() };
        assert_eq!(code(&mut roles, "chief", create("eve", boss.clone())), Some("42501"));
        assert_eq!(code(&mut roles, "chief", Change::Alter("chief".into(), boss.clone())), Some("42501"));
        assert_eq!(code(&mut roles, "anna", Change::Alter("anna".into(), boss)), Some("42501"));
        assert_eq!(
            code(&mut roles, "anna", Change::Alter("anna".into(), Options { password: Some(None), ..Options::default() })),
            None
        );
        assert_eq!(
            code(&mut roles, "anna", Change::Alter("bert".into(), Options { password: Some(None), ..Options::default() })),
            Some("42501")
        );
        // Who makes roles administers those, and no others.
        assert_eq!(code(&mut roles, "chief", create("eve", Options::default())), None);
        assert_eq!(code(&mut roles, "chief", join("eve", "anna")), None);
        assert_eq!(code(&mut roles, "chief", Change::Drop("bert".into())), Some("42501"));
        assert_eq!(code(&mut roles, "chief", Change::Drop("eve".into())), None);
        // A right with GRANT OPTION can be passed on, a right without it cannot.
        roles
            .change(Actor::Everything, &Change::Grant(Grant { grantable: true, ..right("anna", Privilege::Select, raw("x")) }))
            .unwrap();
        assert_eq!(code(&mut roles, "anna", grant.clone()), None);
        assert_eq!(code(&mut roles, "bert", grant), Some("42501"));
    }

    #[test]
    fn a_role_with_rights_is_not_dropped_by_accident() {
        let mut roles = roles(&["anna", "bert"]);
        roles.change(Actor::Everything, &Change::Grant(right("anna", Privilege::Select, raw("x")))).unwrap();
        roles.change(Actor::Everything, &join("bert", "anna")).unwrap();
        assert_eq!(roles.change(Actor::Everything, &Change::Drop("anna".into())).unwrap_err().code, "2BP01");
        roles.change(Actor::Everything, &Change::Rename("anna".into(), "anne".into())).unwrap();
        assert!(roles.rights("anne").may(Privilege::Select, &raw("x")) && roles.get("anna").is_none());
        roles.change(Actor::Everything, &Change::DropGrants("anne".into())).unwrap();
        roles.change(Actor::Everything, &Change::Drop("anne".into())).unwrap();
        assert!(roles.memberships().is_empty());
        assert!(roles.is_closed(), "having had users once is enough to trust nobody");
        for name in ["", "public", "none", "pg_boss", "a\nb"] {
            assert!(roles.change(Actor::Everything, &Change::Create(name.into(), Options::default())).is_err(), "{name}");
        }
    }
}
