//! Doing statements about roles and rights.

use pgwire::messages::response::TransactionStatus;

use super::backend::Notice;
use super::connection::Connection;
use super::define::Define;
use super::error::{PgError, nearest};
use super::grants::{RightsChange, RoleStatement, Target, shown_role};
use super::holders::relation_name;
use super::relation_names::Found;
use super::statement::Statement;
use super::wire::Interruption;
use crate::access::roles::{Actor, Change, Object, PUBLIC, Privilege};

/// The columns of SHOW GRANTS.
pub(crate) const SHOW_GRANTS: [&str; 5] = ["grantee", "privilege", "object_type", "object", "grantable"];

impl RoleStatement {
    /// Whether it is answered with rows.
    pub(crate) fn has_rows(&self) -> bool {
        matches!(self, Self::Show(_))
    }
}

impl Connection<'_> {
    /// Does a statement about roles and rights.
    pub(crate) async fn role_statement(&mut self, statement: &RoleStatement, with_columns: bool) -> Result<(), Interruption> {
        self.refuse_in_failed(&Statement::Accepted(""))?;
        let tag = match statement {
            RoleStatement::Show(role) => self.show_grants(role.as_deref(), with_columns)?,
            RoleStatement::Change { changes, if_exists, tag } => {
                self.change_roles(changes, *if_exists).await?;
                (*tag).to_owned()
            }
            RoleStatement::Rights(change) => return self.change_rights(change).await,
            RoleStatement::Reassign { from, to } => {
                return self.define(&Define::Reassign { from: from.clone(), to: to.clone() }).await;
            }
            RoleStatement::DropOwned { roles, cascade } => {
                let access = self.session.guard.principal().user.access.roles();
                let granted = |role: &&String| access.grants().iter().any(|grant| grant.to == **role);
                let changes: Vec<Change> = roles.iter().filter(granted).cloned().map(Change::DropGrants).collect();
                self.make(&changes).await?;
                return self.define(&Define::DropOwned { roles: roles.clone(), cascade: *cascade }).await;
            }
        };
        self.wire.outbox.complete(&tag);
        Ok(())
    }

    async fn change_roles(&mut self, changes: &[Change], if_exists: bool) -> Result<(), Interruption> {
        let roles = self.session.guard.principal().user.access.roles();
        let missing = |name: &str| if_exists && roles.get(name).is_none();
        let (mut wanted, mut skipped) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                Change::Drop(name) if missing(name) => skipped.push(name.clone()),
                other => wanted.push(other.clone()),
            }
        }
        if wanted.iter().any(|change| matches!(change, Change::Drop(_))) {
            self.commit_before().await?;
        }
        self.check_drop(&wanted)?;
        self.make(&wanted).await?;
        for change in &wanted {
            if let Change::Rename(from, to) = change
                && let Err(error) = self.server.scratch.rename_role(from, to)
            {
                let back = Change::Rename(to.clone(), from.clone());
                self.session.guard.principal().user.access.change(Actor::Everything, &[back]).map_err(PgError::from)?;
                return Err(error.into());
            }
        }
        for name in skipped {
            self.tell(&Notice::new("00000", format!("role \"{name}\" does not exist, skipping")));
        }
        Ok(())
    }

    /// GRANT and REVOKE: what clients made carries its rights, those on the layers and the models are kept with the roles.
    async fn change_rights(&mut self, change: &RightsChange) -> Result<(), Interruption> {
        let planner = self.session.planner();
        let mut change = change.clone();
        for role in &mut change.roles {
            match role.as_str() {
                "current_user" | "current_role" => role.clone_from(&planner.user),
                "session_user" => role.clone_from(&planner.guard.principal().user.name),
                _ => {}
            }
        }
        let mut own = Vec::new();
        let mut engine = Vec::new();
        for target in std::mem::take(&mut change.on) {
            let is_own = match &target {
                Target::Schema(name) | Target::AllIn(name) => planner.scratch.scratch_schema(name).is_some(),
                Target::Relation(schema, name) => {
                    let found = planner.names().find(&relation_name(schema.as_deref(), name))?;
                    matches!(found, Some(Found::Scratch { .. }))
                }
                Target::Model(_) | Target::AllModels => false,
            };
            if is_own { own.push(target) } else { engine.push(target) }
        }
        if !engine.is_empty() {
            let engine = RightsChange { on: engine, ..change.clone() };
            let find = |target: &Target| self.object(target);
            let siblings = |schema: &str| self.session.relation_names(schema);
            let changes = engine.changes(find, siblings)?;
            self.make(&changes).await?;
        }
        if own.is_empty() {
            self.wire.outbox.complete(change.tag());
            return Ok(());
        }
        self.define(&Define::Rights(RightsChange { on: own, ..change })).await
    }

    /// Makes everybody's what the statements of the same string have done so far: roles are kept outside of transactions, and must
    /// not be gone before what they owned.
    async fn commit_before(&mut self) -> Result<(), Interruption> {
        if self.session.transaction == TransactionStatus::Idle && self.session.work.in_block() {
            self.end_implicit(true).await?;
            self.begin_implicit();
        }
        Ok(())
    }

    async fn make(&mut self, changes: &[Change]) -> Result<(), Interruption> {
        if changes.is_empty() {
            return Ok(());
        }
        self.commit_before().await?;
        // Roles are kept outside of transactions, so that a ROLLBACK could not take the change back.
        if self.session.transaction != TransactionStatus::Idle {
            let what = "roles, and rights on layers and models, cannot be changed inside a transaction block";
            return Err(PgError::new("25001", what)
                .with_hint("COMMIT first: each of these statements is kept by itself.")
                .into());
        }
        let principal = self.session.guard.principal();
        Ok(principal.act(|actor| principal.user.access.change(actor, changes)).map_err(PgError::from)?)
    }

    fn check_drop(&self, changes: &[Change]) -> Result<(), PgError> {
        let principal = self.session.guard.principal();
        for change in changes {
            if let Change::Drop(name) = change {
                if *name == principal.user.name {
                    return Err(PgError::new("55006", "session user cannot be dropped"));
                }
                if *name == principal.role() {
                    return Err(PgError::new("55006", "current user cannot be dropped"));
                }
                let dependents = self.server.scratch.current().dependents(name);
                if !dependents.is_empty() {
                    return Err(PgError::new(
                        "2BP01",
                        format!("role \"{name}\" cannot be dropped because some objects depend on it"),
                    )
                    .with_detail(dependents.join("\n"))
                    .with_hint("REASSIGN OWNED gives them to another role; DROP OWNED drops them and takes the rights."));
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
            let seen = grant.to == PUBLIC || rights.include(&grant.to);
            if seen && role.is_none_or(|role| role == grant.to) {
                let object = grant.on.name().unwrap_or_default();
                rows.push(shown(&grant.to, grant.privilege, grant.on.kind(), object, grant.grantable));
            }
        }
        for (kind, object, entry) in self.session.guard.scratch().rights() {
            let seen = entry.to == PUBLIC || rights.include(&entry.to);
            if seen && role.is_none_or(|role| role == entry.to) {
                rows.push(shown(&entry.to, entry.privilege, kind, object, entry.grantable));
            }
        }
        for step in roles.memberships() {
            let seen = rights.include(&step.member) || rights.include(&step.role);
            if seen && role.is_none_or(|role| role == step.member) {
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

/// A row of SHOW GRANTS.
fn shown(to: &str, privilege: Privilege, kind: &str, object: String, grantable: bool) -> [String; 5] {
    let grantable = if grantable { "YES" } else { "NO" };
    [shown_role(to).to_owned(), privilege.to_string(), kind.to_owned(), object, grantable.to_owned()]
}
