//! What a role may do with what there is. Rights on the engine's objects are kept with the roles; what clients made carries its own.

use super::pg_catalog;
use super::scratch::overlay::Overlay;
use super::scratch::space::TEMP;
use crate::access::acl::AclEntry;
use crate::access::roles::{Object, Privilege, Rights};

/// Whether a schema is one of the server's own, which everybody reads.
pub(crate) fn is_system(schema: &str) -> bool {
    matches!(schema, pg_catalog::SCHEMA | pg_catalog::INFORMATION_SCHEMA)
}

/// Whether a schema is that of a session's temporary tables.
pub(crate) fn is_temporary(schema: &str) -> bool {
    schema.starts_with(TEMP)
}

/// The rights of one role over one state of what clients made.
#[derive(Clone, Copy)]
pub(crate) struct Held<'a> {
    pub(crate) role: &'a str,
    pub(crate) rights: &'a Rights,
    pub(crate) scratch: &'a Overlay,
}

impl Held<'_> {
    /// Whether a schema is one of clients, and the role's own. That of the role's name is its own before it is made.
    pub(crate) fn owns_schema(&self, schema: &str) -> bool {
        match self.scratch.scratch_schema(schema) {
            Some(found) => self.rights.include(&found.owner),
            None => schema == self.role && !is_system(schema) && self.scratch.inner.schema(schema).is_none(),
        }
    }

    /// Whether a table or view is one of clients, and the role's own.
    pub(crate) fn owns(&self, schema: &str, name: &str) -> bool {
        self.scratch.object(schema, name).is_some_and(|object| self.rights.include(object.owner()))
    }

    /// Whether a schema may be used, or tables be made in it; `to_grant` asks whether the role may let others.
    pub(crate) fn on_schema(&self, privilege: Privilege, schema: &str, to_grant: bool) -> bool {
        if is_system(schema) {
            return privilege == Privilege::Usage && !to_grant;
        }
        if is_temporary(schema) {
            return !to_grant;
        }
        match self.scratch.scratch_schema(schema) {
            Some(found) => self.rights.include(&found.owner) || self.rights.are_given(found.acl.entries(), privilege, to_grant),
            None if self.owns_schema(schema) => true,
            // Nobody makes anything among the layers.
            None => privilege == Privilege::Usage && self.of_engine(privilege, &Object::Schema(schema.to_owned()), to_grant),
        }
    }

    /// Whether something may be done with a table or view, if its schema may be used.
    pub(crate) fn on_relation(&self, privilege: Privilege, schema: &str, name: &str, to_grant: bool) -> bool {
        if is_system(schema) {
            return privilege == Privilege::Select && !to_grant;
        }
        match self.scratch.object(schema, name) {
            Some(object) => {
                self.rights.include(object.owner())
                    || self.rights.are_given(entries(self.scratch, schema, name), privilege, to_grant)
            }
            // Nobody writes to the layers.
            None => {
                let object = Object::Relation(schema.to_owned(), name.to_owned());
                privilege == Privilege::Select && self.of_engine(privilege, &object, to_grant)
            }
        }
    }

    /// Whether anything may be done with a table or view.
    pub(crate) fn any_on_relation(&self, schema: &str, name: &str) -> bool {
        Privilege::OF_RELATION.into_iter().any(|privilege| self.on_relation(privilege, schema, name, false))
    }

    fn of_engine(&self, privilege: Privilege, object: &Object, to_grant: bool) -> bool {
        if to_grant { self.rights.may_grant(privilege, object) } else { self.rights.may(privilege, object) }
    }
}

/// What is granted on a table or view of a client: itself, and all tables of its schema.
pub(crate) fn entries<'a>(scratch: &'a Overlay, schema: &str, name: &str) -> impl Iterator<Item = &'a AclEntry> {
    let own = scratch.object(schema, name).map(|object| object.acl().entries());
    let all = scratch.scratch_schema(schema).map(|schema| schema.tables_acl.entries());
    own.into_iter().chain(all).flatten()
}
