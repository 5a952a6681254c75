//! Who owns what clients made, and who may do what with it: GRANT, REVOKE, OWNER TO, REASSIGN OWNED, DROP OWNED. All of it is part
//! of transactions.

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};

use super::backend::Notice;
use super::define::Kind;
use super::definitions::{Definer, Outcome};
use super::error::PgError;
use super::grants::{RightsChange, Target};
use super::held::Held;
use super::relation_names::{Found, no_relation};
use super::scratch::space::TEMP;
use crate::access::acl::Acl;
use crate::access::roles::{Object, PUBLIC, Privilege, Roles, denied_on};

/// The relation of a target, as a name.
pub(crate) fn relation_name(schema: Option<&str>, name: &str) -> ObjectName {
    ObjectName::from(schema.into_iter().chain([name]).map(|part| Ident::with_quote('"', part)).collect::<Vec<_>>())
}

pub(crate) fn no_role(name: &str) -> PgError {
    PgError::new("42704", format!("role \"{name}\" does not exist"))
}

impl RightsChange {
    fn apply(&self, acl: &mut Acl, privileges: &[Privilege]) {
        for role in &self.roles {
            for privilege in privileges {
                if self.revoke {
                    acl.revoke(role, *privilege, self.option);
                } else {
                    acl.grant(role, *privilege, self.option);
                }
            }
        }
    }

    /// The privileges that are meant, of those that such an object has.
    fn wanted(&self, possible: &[Privilege], kind: &str) -> Result<Vec<Privilege>, PgError> {
        let Some(given) = &self.privileges else { return Ok(possible.to_vec()) };
        match given.iter().find(|privilege| !possible.contains(privilege)) {
            Some(privilege) => Err(PgError::new("0LP01", format!("invalid privilege type {privilege} for {kind}"))),
            None => Ok(given.clone()),
        }
    }

    /// Those of them that whoever asks may pass on. As PostgreSQL: who has no right at all is refused, others are warned.
    fn permitted(
        &self,
        wanted: Vec<Privilege>,
        may_grant: impl Fn(Privilege) -> bool,
        may_anything: bool,
        object: &Object,
        kind: &str,
    ) -> Result<(Vec<Privilege>, Option<Notice>), PgError> {
        let permitted: Vec<Privilege> = wanted.iter().copied().filter(|privilege| may_grant(*privilege)).collect();
        if permitted.is_empty() && !may_anything {
            return Err(denied_on(object, Some(kind)).into());
        }
        if permitted.len() == wanted.len() || self.privileges.is_none() && !permitted.is_empty() {
            return Ok((permitted, None));
        }
        let few = if permitted.is_empty() { "no" } else { "not all" };
        let (code, done) = if self.revoke { ("01006", "could be revoked") } else { ("01007", "were granted") };
        let name = match object {
            Object::Relation(_, name) | Object::Schema(name) | Object::AllIn(name) | Object::Model(name) => name.as_str(),
            Object::AllModels => "all models",
        };
        let notice = Notice::new(code, format!("{few} privileges {done} for \"{name}\""));
        Ok((permitted, Some(Notice { severity: "WARNING", ..notice })))
    }
}

impl Definer {
    fn roles(&self) -> std::sync::Arc<Roles> {
        self.planner.guard.principal().user.access.roles()
    }

    fn held<T>(&self, look: impl FnOnce(Held<'_>) -> T) -> T {
        let principal = self.planner.guard.principal();
        look(Held { role: &principal.role(), rights: &principal.rights(), scratch: &self.planner.scratch })
    }

    /// The role that a name means, which has to be there.
    pub(crate) fn role_named(&self, name: &str) -> Result<String, PgError> {
        match name {
            "current_user" | "current_role" => Ok(self.user.clone()),
            "session_user" => Ok(self.planner.guard.principal().user.name.clone()),
            name if name == self.user || self.roles().get(name).is_some() => Ok(name.to_owned()),
            name => Err(no_role(name)),
        }
    }

    /// Whether the role may make another one the owner of something.
    pub(crate) fn may_give(&self, owner: &str, schema: Option<&str>) -> Result<(), PgError> {
        let (principal, roles) = (self.planner.guard.principal(), self.roles());
        if principal.rights().is_everything() {
            return Ok(());
        }
        if !roles.may_become(&principal.role(), owner) {
            return Err(PgError::new("42501", format!("must be able to SET ROLE \"{owner}\"")));
        }
        let rights = roles.rights(owner);
        let held = Held { role: owner, rights: &rights, scratch: &self.planner.scratch };
        match schema {
            Some(schema) if !held.on_schema(Privilege::Create, schema, false) => {
                Err(denied_on(&Object::Schema(schema.to_owned()), None).into())
            }
            _ => Ok(()),
        }
    }

    /// GRANT and REVOKE on what clients made.
    pub(crate) fn change_rights(&self, change: &RightsChange, outcome: &mut Outcome) -> Result<(), PgError> {
        let roles = self.roles();
        if let Some(missing) = change.roles.iter().find(|role| *role != PUBLIC && roles.get(role).is_none()) {
            return Err(no_role(missing));
        }
        if change.option && !change.revoke && change.roles.iter().any(|role| role == PUBLIC) {
            return Err(PgError::new("0LP01", "grant options can only be granted to roles"));
        }
        for target in &change.on {
            match target {
                Target::Schema(name) => self.on_schema(change, name, outcome)?,
                Target::AllIn(name) => self.on_all_tables(change, name, outcome)?,
                Target::Relation(schema, name) => self.on_relation(change, schema.as_deref(), name, outcome)?,
                Target::Model(_) | Target::AllModels => {}
            }
        }
        Ok(())
    }

    fn on_schema(&self, change: &RightsChange, name: &str, outcome: &mut Outcome) -> Result<(), PgError> {
        let wanted = change.wanted(&Privilege::OF_SCHEMA, "schema")?;
        let object = Object::Schema(name.to_owned());
        let may = |privilege| self.held(|held| held.on_schema(privilege, name, true));
        let (privileges, notice) = change.permitted(wanted, may, self.planner.guard.may_see_schema(name), &object, "schema")?;
        outcome.notices.extend(notice);
        outcome.state.space_mut(name).change(name, |schema| change.apply(&mut schema.acl, &privileges));
        Ok(())
    }

    fn on_all_tables(&self, change: &RightsChange, name: &str, outcome: &mut Outcome) -> Result<(), PgError> {
        let wanted = change.wanted(&Privilege::OF_RELATION, "relation")?;
        if !self.planner.guard.owns_schema(name) {
            return Err(PgError::new("42501", format!("must be owner of schema {name}")));
        }
        outcome.state.space_mut(name).change(name, |schema| {
            change.apply(&mut schema.tables_acl, &wanted);
            if change.revoke {
                for object in schema.objects.values_mut() {
                    let mut acl = object.acl().clone();
                    change.apply(&mut acl, &wanted);
                    if acl != *object.acl() {
                        *object = object.held_by(object.owner().to_owned(), acl);
                    }
                }
            }
        });
        Ok(())
    }

    fn on_relation(&self, change: &RightsChange, schema: Option<&str>, name: &str, outcome: &mut Outcome) -> Result<(), PgError> {
        let written = relation_name(schema, name);
        let Some(Found::Scratch { schema, name, object }) = self.names().find(&written)? else {
            return Err(no_relation(&written));
        };
        self.planner.guard.check_use(&schema)?;
        let wanted = change.wanted(&Privilege::OF_RELATION, "table")?;
        let may = |privilege| self.held(|held| held.on_relation(privilege, &schema, &name, true));
        let any = self.held(|held| held.any_on_relation(&schema, &name));
        let relation = Object::Relation(schema.clone(), name.clone());
        let (privileges, notice) = change.permitted(wanted, may, any, &relation, object.kind())?;
        outcome.notices.extend(notice);
        let mut acl = object.acl().clone();
        change.apply(&mut acl, &privileges);
        outcome.state.space_mut(&schema).change(&schema, |found| {
            found.objects.insert(name.clone(), object.held_by(object.owner().to_owned(), acl));
            if !change.revoke {
                return;
            }
            // A right on all tables from which one is taken becomes a right on each of the others.
            for role in &change.roles {
                for privilege in &privileges {
                    let Some(wide) = found.tables_acl.revoke(role, *privilege, false) else { continue };
                    for (sibling, object) in &mut found.objects {
                        let grantable = wide.grantable && *sibling != name;
                        if *sibling != name || change.option {
                            let mut acl = object.acl().clone();
                            acl.grant(role, *privilege, grantable);
                            *object = object.held_by(object.owner().to_owned(), acl);
                        }
                    }
                }
            }
        });
        Ok(())
    }

    /// REASSIGN OWNED.
    pub(crate) fn reassign(&self, from: &[String], to: &str, outcome: &mut Outcome) -> Result<(), PgError> {
        let from = from.iter().map(|role| self.role_named(role)).collect::<Result<Vec<_>, _>>()?;
        let to = self.role_named(to)?;
        let rights = self.planner.guard.principal().rights();
        if from.iter().chain([&to]).any(|role| !rights.include(role)) {
            return Err(PgError::new("42501", "permission denied to reassign objects"));
        }
        for space in ["", TEMP] {
            outcome.state.space_mut(space).change_holders(|owner, _| {
                let concerned = from.contains(owner);
                if concerned {
                    owner.clone_from(&to);
                }
                concerned
            });
        }
        Ok(())
    }

    /// DROP OWNED: what the roles own, and what they were granted on what others own.
    pub(crate) fn drop_owned(&self, roles: &[String], cascade: bool, outcome: &mut Outcome) -> Result<(), PgError> {
        let roles = roles.iter().map(|role| self.role_named(role)).collect::<Result<Vec<_>, _>>()?;
        let rights = self.planner.guard.principal().rights();
        if roles.iter().any(|role| !rights.include(role)) {
            return Err(PgError::new("42501", "permission denied to drop objects"));
        }
        let (mut schemas, mut relations) = (Vec::new(), Vec::new());
        for (name, schema) in &outcome.state.durable.schemas {
            if roles.contains(&schema.owner) {
                schemas.push(name.clone());
            }
            let owned = schema.objects.iter().filter(|(_, object)| roles.iter().any(|role| role == object.owner()));
            relations.extend(owned.map(|(relation, _)| (name.clone(), relation.clone())));
        }
        self.remove(Kind::Table, relations, &schemas, cascade, outcome).map_err(|error| match error.code.as_ref() {
            "2BP01" => error.with_message("cannot drop desired object(s) because other objects depend on them"),
            _ => error,
        })?;
        outcome.state.space_mut("").change_holders(|_, acl| {
            let named = roles.iter().any(|role| acl.names(role));
            roles.iter().for_each(|role| acl.forget(role));
            named
        });
        Ok(())
    }
}
