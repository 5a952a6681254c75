-- What Npgsql asks for when it connects: Power BI and every .NET program.
select version();
select ns.nspname, t.oid, t.typname, t.typtype, t.typnotnull, t.elementoid
from (select typ.oid, typ.typnamespace, typ.typname, typ.typtype, typ.typrelid, typ.typnotnull, typ.relkind, el.oid as elementoid,
             el.typname as elementname, elcls.relkind as elementkind,
             case when elproc.proname = 'array_recv' then 'a' else el.typtype end as elementtype
      from (select typ.oid, typnamespace, typname, typrelid, typnotnull, relkind, typelem,
                   case when proc.proname = 'array_recv' then 'a' else typ.typtype end as typtype,
                   case when proc.proname = 'array_recv' then typ.typelem
                        when typ.typtype = 'r' then rngsubtype
                        when typ.typtype = 'm' then (select rngtypid from pg_range where rngmultitypid = typ.oid)
                        when typ.typtype = 'd' then typ.typbasetype end as elementid
            from pg_type as typ
            left join pg_class as cls on (cls.oid = typ.typrelid)
            left join pg_proc as proc on proc.oid = typ.typreceive
            left join pg_range on (pg_range.rngtypid = typ.oid)) as typ
      left join pg_type as el on el.oid = elementid
      left join pg_class as elcls on (elcls.oid = el.typrelid)
      left join pg_proc as elproc on elproc.oid = el.typreceive) as t
join pg_namespace as ns on (ns.oid = typnamespace)
where typtype in ('b', 'r', 'm', 'e', 'd') or (typtype = 'c' and relkind = 'c') or (typtype = 'p' and typname in ('record', 'void'))
   or (typtype = 'a' and (elementtype in ('b', 'r', 'm', 'e', 'd') or (elementtype = 'p' and elementname in ('record', 'void'))))
order by case when typtype in ('b', 'e', 'p') then 0 when typtype = 'r' then 1 else 2 end;
select typ.oid, att.attname, att.atttypid from pg_type as typ join pg_namespace as ns on (ns.oid = typ.typnamespace)
join pg_class as cls on (cls.oid = typ.typrelid) join pg_attribute as att on (att.attrelid = typ.typrelid)
where typ.typtype = 'c' and cls.relkind = 'c' and attnum > 0 and not attisdropped order by typ.oid, att.attnum;
select pg_type.oid, enumlabel from pg_enum join pg_type on pg_type.oid = enumtypid order by oid, enumsortorder;
select table_schema, table_name, table_type from information_schema.tables where table_schema not in ('pg_catalog', 'information_schema') order by 1, 2;
select column_name, ordinal_position, is_nullable, data_type, character_maximum_length, numeric_precision, numeric_scale, datetime_precision
from information_schema.columns where table_schema = 'gold' and table_name = 'eye_features' order by ordinal_position;
select i.constraint_schema || '_' || i.constraint_name as pk_name, ii.column_name, ii.ordinal_position
from information_schema.table_constraints i inner join information_schema.key_column_usage ii
  on i.constraint_schema = ii.constraint_schema and i.constraint_name = ii.constraint_name
where i.constraint_type = 'PRIMARY KEY' order by 1;
