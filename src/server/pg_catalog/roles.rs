//! Roles, owners and rights as the catalog shows them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::cells::{Row, row};
use super::objects::{OWNER, RelationObject, derived_oid};
use crate::access::acl::{self, AclEntry};
use crate::access::roles::{Grant, Object, PUBLIC, Privilege, Rights, Role, Roles};
use crate::server::guard::Guard;
use crate::server::held::{self, Held, is_system, is_temporary};
use crate::server::scratch::overlay::Overlay;
use crate::server::scratch::space::Object as ScratchObject;

/// What is shown in the place of a password.
const HIDDEN: &str = "********";

/// The roles and their rights at one moment, as one session sees them.
pub(crate) struct RoleBook {
    pub(crate) roles: Arc<Roles>,
    /// The role that asks.
    pub(crate) current: String,
    pub(crate) rights: Arc<Rights>,
    /// Whoever is trusted without being a role.
    trusted: Option<String>,
    guard: Guard,
}

/// A role, or an owner that is none.
struct Listed<'a> {
    oid: u32,
    name: &'a str,
    role: Option<&'a Role>,
}

impl Listed<'_> {
    /// The owner of everything that nobody made, and who is trusted, are superusers.
    fn superuser(&self) -> bool {
        self.role.is_none_or(|role| role.superuser)
    }
}

impl RoleBook {
    pub(crate) fn of(guard: &Guard) -> Self {
        let principal = guard.principal();
        let user = &principal.user;
        Self {
            roles: user.access.roles(),
            current: principal.role(),
            rights: principal.rights(),
            trusted: user.trusted.then(|| user.name.clone()),
            guard: guard.clone(),
        }
    }

    pub(crate) fn scratch(&self) -> &Overlay {
        self.guard.scratch()
    }

    /// The identifier of a role or of an owner.
    pub(crate) fn oid(&self, name: &str) -> u32 {
        match self.roles.get(name) {
            Some(role) => role.oid,
            None if name == OWNER.1 => OWNER.0,
            None => derived_oid(&["role", name]),
        }
    }

    /// Whether a name is that of a role, or of somebody who is trusted as one.
    pub(crate) fn knows(&self, name: &str) -> bool {
        name == OWNER.1 || self.roles.get(name).is_some() || self.trusted.as_deref() == Some(name)
    }

    /// The role or owner of an identifier.
    pub(crate) fn name(&self, oid: u32) -> Option<&str> {
        self.listed().into_iter().find(|listed| listed.oid == oid).map(|listed| listed.name)
    }

    fn listed(&self) -> Vec<Listed<'_>> {
        let mut others = BTreeSet::from([OWNER.1]);
        others.extend(self.trusted.as_deref());
        let schemas = self.scratch().state.durable.schemas.values();
        for schema in schemas {
            others.insert(&schema.owner);
            others.extend(schema.objects.values().map(|object| object.owner()));
        }
        let roles = self.roles.iter().map(|(name, role)| Listed { oid: role.oid, name, role: Some(role) });
        let missing = others.into_iter().filter(|name| !name.is_empty() && self.roles.get(name).is_none());
        roles.chain(missing.map(|name| Listed { oid: self.oid(name), name, role: None })).collect()
    }

    /// What a role may do: everything, where it is one that is trusted.
    pub(crate) fn rights_of(&self, name: &str) -> Arc<Rights> {
        if name == self.current {
            return Arc::clone(&self.rights);
        }
        Arc::new(match self.roles.get(name) {
            Some(_) => self.roles.rights(name),
            None if name == PUBLIC => self.roles.rights_of_everybody(),
            None if self.knows(name) => Rights::everything(),
            None => Rights::default(),
        })
    }

    /// The rights of a role over what there is.
    pub(crate) fn held<'a>(&'a self, role: &'a str, rights: &'a Rights) -> Held<'a> {
        Held { role, rights, scratch: self.scratch() }
    }

    /// Who owns a table or view.
    pub(crate) fn owner_of_relation(&self, schema: &str, name: &str) -> &str {
        self.scratch().object(schema, name).map_or(OWNER.1, |object| object.owner())
    }

    /// Who owns a schema.
    pub(crate) fn owner_of_schema(&self, schema: &str) -> &str {
        let owner = self.scratch().scratch_schema(schema).filter(|_| !is_temporary(schema)).map(|schema| schema.owner.as_str());
        owner.filter(|owner| !owner.is_empty()).unwrap_or(OWNER.1)
    }

    /// The grants that concern one of the engine's objects, as entries of a list.
    fn of_engine(&self, concerns: impl Fn(&Object) -> bool, possible: &[Privilege]) -> Vec<AclEntry> {
        let shown = |grant: &&Grant| concerns(&grant.on) && possible.contains(&grant.privilege);
        let entry = |grant: &Grant| AclEntry { to: grant.to.clone(), privilege: grant.privilege, grantable: grant.grantable };
        self.roles.grants().iter().filter(shown).map(entry).collect()
    }

    /// What others may do with a relation, and whether anything was ever said about it. What can be done with it comes first.
    fn rights_on_relation(&self, schema: &str, name: &str) -> (&'static [Privilege], Vec<AclEntry>, bool) {
        const READ: &[Privilege] = &[Privilege::Select];
        if is_system(schema) {
            return (READ, vec![AclEntry { to: PUBLIC.to_owned(), privilege: Privilege::Select, grantable: false }], true);
        }
        if let Some(object) = self.scratch().object(schema, name) {
            let all = self.scratch().scratch_schema(schema).is_some_and(|schema| !schema.tables_acl.entries().is_empty());
            let entries = held::entries(self.scratch(), schema, name).cloned().collect();
            return (&Privilege::OF_RELATION, entries, all || object.acl().is_touched());
        }
        let concerns = |on: &Object| match on {
            Object::AllIn(all) => all == schema,
            Object::Relation(in_schema, relation) => in_schema == schema && relation == name,
            _ => false,
        };
        let entries = self.of_engine(concerns, READ);
        let any = !entries.is_empty();
        (READ, entries, any)
    }

    /// `pg_class.relacl`.
    pub(crate) fn acl_of_relation(&self, relation: &RelationObject) -> Option<Vec<String>> {
        let (possible, entries, touched) = self.rights_on_relation(&relation.schema, &relation.name);
        let owner = self.owner_of_relation(&relation.schema, &relation.name);
        touched.then(|| acl::items(owner, possible, &entries))
    }

    /// `pg_class.reloptions`.
    pub(crate) fn options_of_relation(&self, relation: &RelationObject) -> Option<Vec<String>> {
        match self.scratch().object(&relation.schema, &relation.name)? {
            ScratchObject::View(view) if view.security_invoker => Some(vec!["security_invoker=true".to_owned()]),
            _ => None,
        }
    }

    /// `pg_namespace.nspacl`.
    pub(crate) fn acl_of_schema(&self, schema: &str) -> Option<Vec<String>> {
        let owner = self.owner_of_schema(schema);
        if is_system(schema) {
            let entry = AclEntry { to: PUBLIC.to_owned(), privilege: Privilege::Usage, grantable: false };
            return Some(acl::items(owner, &Privilege::OF_SCHEMA, [&entry]));
        }
        if is_temporary(schema) {
            return None;
        }
        if let Some(found) = self.scratch().scratch_schema(schema) {
            return found.acl.is_touched().then(|| acl::items(owner, &Privilege::OF_SCHEMA, found.acl.entries()));
        }
        let entries = self.of_engine(|on| *on == Object::Schema(schema.to_owned()), &[Privilege::Usage]);
        (!entries.is_empty()).then(|| acl::items(owner, &[Privilege::Usage], &entries))
    }

    /// Grants on a relation as `information_schema` lists them: who was given what, whether they may pass it on. The owner's come
    /// first.
    pub(crate) fn grants_on_relation(&self, schema: &str, name: &str) -> Vec<(String, Privilege, bool)> {
        let (possible, entries, _) = self.rights_on_relation(schema, name);
        let owner = self.owner_of_relation(schema, name);
        let mut grants: Vec<_> = possible.iter().map(|privilege| (owner.to_owned(), *privilege, true)).collect();
        for entry in entries.into_iter().filter(|entry| entry.to != owner) {
            match grants.iter_mut().find(|(to, privilege, _)| *to == entry.to && *privilege == entry.privilege) {
                Some((.., grantable)) => *grantable |= entry.grantable,
                None => grants.push((entry.to, entry.privilege, entry.grantable)),
            }
        }
        grants
    }

    /// Whether the role that asks has the rights of another, as `pg_has_role(role, 'USAGE')` says it.
    pub(crate) fn is_enabled(&self, role: &str) -> bool {
        self.rights.include(role)
    }

    /// The rows of `pg_roles`, and of `pg_authid`.
    pub(super) fn roles_rows(&self) -> Vec<Row> {
        let limit = |role: Option<&Role>| role.and_then(|role| role.connection_limit).map_or(-1, i64::from);
        let listed = |listed: Listed<'_>| {
            let role = listed.role;
            row! {
                oid: listed.oid, rolname: listed.name, rolsuper: listed.superuser(),
                rolinherit: role.is_none_or(|role| role.inherit),
                rolcreaterole: role.is_none_or(|role| role.create_role), rolcanlogin: role.is_none_or(|role| role.login),
                rolconnlimit: limit(role), rolpassword: HIDDEN, rolvaliduntil: role.and_then(|role| role.valid_until)
            }
        };
        self.listed().into_iter().map(listed).collect()
    }

    /// The rows of `pg_user` and `pg_shadow`.
    pub(super) fn users_rows(&self) -> Vec<Row> {
        let users = self.listed().into_iter().filter(|listed| listed.role.is_none_or(|role| role.login));
        let user = |listed: Listed<'_>| {
            row! {
                usename: listed.name, usesysid: listed.oid, usesuper: listed.superuser(), passwd: HIDDEN,
                valuntil: listed.role.and_then(|role| role.valid_until)
            }
        };
        users.map(user).collect()
    }

    /// The rows of `pg_group`: roles that are no users, with their members.
    pub(super) fn groups_rows(&self) -> Vec<Row> {
        let members = |group: &str| -> Vec<String> {
            let steps = self.roles.memberships().iter().filter(|step| step.role == group);
            steps.map(|step| self.oid(&step.member).to_string()).collect()
        };
        let group = |(name, role): (&String, &Role)| {
            row! { groname: name.as_str(), grosysid: role.oid, grolist: members(name) }
        };
        self.roles.iter().filter(|(_, role)| !role.login).map(group).collect()
    }

    /// The rows of `pg_auth_members`. Who let a member in is not kept: it is shown as the owner of everything.
    pub(super) fn members_rows(&self) -> Vec<Row> {
        let steps = self.roles.memberships().iter();
        let member = |step: &crate::access::roles::Membership| {
            row! {
                oid: derived_oid(&["member", &step.role, &step.member]), roleid: self.oid(&step.role), member: self.oid(&step.member),
                grantor: self.oid(OWNER.1), admin_option: step.admin, inherit_option: step.inherit, set_option: step.set
            }
        };
        steps.map(member).collect()
    }

    /// The rows of `information_schema.enabled_roles`.
    pub(super) fn enabled_rows(&self) -> Vec<Row> {
        let listed = self.listed().into_iter().filter(|listed| self.is_enabled(listed.name));
        listed.map(|listed| row! { role_name: listed.name }).collect()
    }

    /// The rows of `information_schema.applicable_roles`, or of those only that may be passed on.
    pub(super) fn applicable_rows(&self, only_admin: bool) -> Vec<Row> {
        let steps = self.roles.memberships().iter().filter(|step| self.is_enabled(&step.member) && (step.admin || !only_admin));
        let applicable = |step: &crate::access::roles::Membership| {
            let grantable = if step.admin { "YES" } else { "NO" };
            row! { grantee: step.member.as_str(), role_name: step.role.as_str(), is_grantable: grantable }
        };
        steps.map(applicable).collect()
    }
}
