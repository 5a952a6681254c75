//! Changes of roles and grants, and who may make them, as PostgreSQL 16 has it.

use super::AccessError;
use super::privilege::{Object, denied_on};
use super::roles::{Grant, Membership, PUBLIC, Role, Roles};
use super::scram::Verifier;

/// PostgreSQL's limit of a name.
const MAX_NAME_BYTES: usize = 63;
/// Roles, memberships and grants that are kept; each change writes all of them.
const MAX_ENTRIES: usize = 10_000;

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

impl Roles {
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
