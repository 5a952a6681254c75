//! Doing statements about roles and rights.

use pgwire::messages::response::TransactionStatus;

use super::backend::Notice;
use super::connection::Connection;
use super::error::{PgError, nearest};
use super::grants::{RoleStatement, Target, shown_role};
use super::scratch;
use crate::access::roles::{Actor, Change, Grant, Object, PUBLIC};

/// The columns of SHOW GRANTS.
pub(crate) const SHOW_GRANTS: [&str; 5] = ["grantee", "privilege", "object_type", "object", "grantable"];

impl RoleStatement {
    /// Whether it is answered with rows.
    pub(crate) fn has_rows(&self) -> bool {
        matches!(self, Self::Show(_))
    }
}

impl Connection<'_> {
    /// Does a statement about roles and rights; returns its tag.
    pub(crate) fn role_statement(&mut self, statement: &RoleStatement, with_columns: bool) -> Result<String, PgError> {
        match statement {
            RoleStatement::Show(role) => self.show_grants(role.as_deref(), with_columns),
            RoleStatement::Change { changes, if_exists, tag } => {
                let roles = self.session.guard.principal().user.access.roles();
                let missing = |name: &str| *if_exists && roles.get(name).is_none();
                let (mut wanted, mut skipped) = (Vec::new(), Vec::new());
                for change in changes {
                    match change {
                        Change::Drop(name) if missing(name) => skipped.push(name.clone()),
                        other => wanted.push(other.clone()),
                    }
                }
                self.check_drop(&wanted)?;
                self.make(&wanted, false)?;
                for name in skipped {
                    self.tell(&Notice::new("00000", format!("role \"{name}\" does not exist, skipping")));
                }
                Ok((*tag).to_owned())
            }
            RoleStatement::Rights(rights) => {
                let find = |target: &Target| self.object(target);
                let siblings = |schema: &str| self.session.relation_names(schema);
                let changes = rights.changes(find, siblings)?;
                // Whoever owns a thing says who may do what with it.
                let owned = changes.iter().all(|change| match change {
                    Change::Grant(Grant { on, .. }) | Change::Revoke { grant: Grant { on, .. }, .. } => self.owns(on),
                    _ => false,
                });
                self.make(&changes, owned)?;
                Ok(rights.tag().to_owned())
            }
        }
    }

    fn make(&self, changes: &[Change], owned: bool) -> Result<(), PgError> {
        // Roles are kept outside of transactions, so that a ROLLBACK could not take the change back.
        if self.session.transaction != TransactionStatus::Idle {
            return Err(PgError::new("25001", "roles and rights cannot be changed inside a transaction block")
                .with_hint("COMMIT first: each of these statements is kept by itself."));
        }
        if changes.is_empty() {
            return Ok(());
        }
        let principal = self.session.guard.principal();
        if owned {
            return Ok(principal.user.access.change(Actor::Everything, changes)?);
        }
        Ok(principal.act(|actor| principal.user.access.change(actor, changes))?)
    }

    /// Whether something is what clients made, and the role's own.
    fn owns(&self, object: &Object) -> bool {
        let guard = &self.session.guard;
        match object {
            Object::Relation(schema, name) => guard.owns(schema, name),
            Object::Schema(schema) => schema != scratch::PUBLIC && guard.owns_schema(schema),
            _ => false,
        }
    }

    fn check_drop(&self, changes: &[Change]) -> Result<(), PgError> {
        let principal = self.session.guard.principal();
        for change in changes {
            if let Change::Rename(name, _) = change
                && self.server.scratch.current().has_owner(name)
            {
                return Err(PgError::new(
                    "0A000",
                    format!("role \"{name}\" cannot be renamed because it owns schemas, tables or views"),
                ));
            }
            if let Change::Drop(name) = change {
                if *name == principal.user.name {
                    return Err(PgError::new("55006", "session user cannot be dropped"));
                }
                if *name == principal.role() {
                    return Err(PgError::new("55006", "current user cannot be dropped"));
                }
                if self.server.scratch.current().has_owner(name) {
                    return Err(PgError::new(
                        "2BP01",
                        format!("role \"{name}\" cannot be dropped because some objects depend on it"),
                    )
                    .with_detail("It owns schemas, tables or views that clients made."));
                }
            }
        }
        Ok(())
    }

    /// What a name stands for. Rights are on what is there.
    fn object(&self, target: &Target) -> Result<Object, PgError> {
        let schema = |name: &str| match self.session.has_schema(name) {
            true => Ok(name.to_owned()),
            false => Err(PgError::new("3F000", format!("schema \"{name}\" does not exist"))),
        };
        Ok(match target {
            Target::Schema(name) => Object::Schema(schema(name)?),
            Target::AllIn(name) => Object::AllIn(schema(name)?),
            Target::AllModels => Object::AllModels,
            Target::Model(name) => {
                let known = self.server.sessions.models().map(|models| models.names()).unwrap_or_default();
                if !known.contains(name) {
                    let told = PgError::new("42704", format!("model \"{name}\" does not exist"));
                    return Err(match nearest(name, known.iter().map(String::as_str)) {
                        Some(near) => told.with_hint(format!("Perhaps you meant \"{near}\".")),
                        None => told.with_hint("ml.models lists the models."),
                    });
                }
                Object::Model(name.clone())
            }
            Target::Relation(schema, name) => {
                let path = match schema {
                    Some(schema) => vec![schema.clone()],
                    None => self.session.settings.search_path(),
                };
                let found = path.into_iter().find(|schema| self.session.relation_names(schema).contains(name));
                let shown = schema.as_ref().map_or_else(|| name.clone(), |schema| format!("{schema}.{name}"));
                let found = found.ok_or_else(|| PgError::new("42P01", format!("relation \"{shown}\" does not exist")))?;
                Object::Relation(found, name.clone())
            }
        })
    }

    /// The grants that concern whoever asks: those of the roles that they are, and of everybody. A superuser sees all.
    fn show_grants(&mut self, role: Option<&str>, with_columns: bool) -> Result<String, PgError> {
        let principal = self.session.guard.principal();
        let (roles, rights) = (principal.user.access.roles(), principal.rights());
        if let Some(role) = role
            && role != PUBLIC
            && roles.get(role).is_none()
        {
            return Err(PgError::new("42704", format!("role \"{role}\" does not exist")));
        }
        let mut rows = Vec::new();
        for grant in roles.grants() {
            let shown = grant.to == PUBLIC || rights.include(&grant.to);
            if shown && role.is_none_or(|role| role == grant.to) {
                let object = grant.on.name().unwrap_or_default();
                let grantable = if grant.grantable { "YES" } else { "NO" };
                rows.push([
                    shown_role(&grant.to).to_owned(),
                    grant.privilege.to_string(),
                    grant.on.kind().to_owned(),
                    object,
                    grantable.to_owned(),
                ]);
            }
        }
        for step in roles.memberships() {
            let shown = rights.include(&step.member) || rights.include(&step.role);
            if shown && role.is_none_or(|role| role == step.member) {
                let grantable = if step.admin { "YES" } else { "NO" };
                rows.push([step.member.clone(), "MEMBER".to_owned(), "role".to_owned(), step.role.clone(), grantable.to_owned()]);
            }
        }
        rows.sort();
        let outbox = &mut self.wire.outbox;
        if with_columns {
            outbox.text_columns(&SHOW_GRANTS);
        }
        for row in &rows {
            outbox.text_row(&row.each_ref().map(String::as_str));
        }
        Ok("SHOW".to_owned())
    }
}
