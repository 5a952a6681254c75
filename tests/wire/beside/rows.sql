create table t (a int primary key, b varchar(3) not null default 'x', c text)
insert into t values (1)
insert into t values (1, 'abcd')
insert into t values (1, null)
insert into t values (1)
insert into t (a, b) values (2, 'b'), (3, 'c')
insert into t (nosuch) values (1)
insert into t values (1, 'a', 'b', 'c')
insert into t (a, b) values (1)
insert into t (a, a) values (1, 2)
insert into t (b) values ('q')
insert into t values (4, default, 'd'), (5, 'e', default)
insert into t (c, a) select 'from a query', 6
select * from t order by a
update t set nosuch = 1
update t set b = 'zz', c = b || c where a >= 4
select * from t order by a
update t set a = 1 where a = 2
update t set a = a + 10
update t set b = null where a = 11
update t set b = default, c = null where a in (select 11)
select * from t order by a
delete from t where a = 12
delete from t where c is null
delete from t where a not in (select 14)
select * from t order by a
delete from t
select count(*) from t
insert into nosuch values (1)
update nosuch set a = 1
delete from nosuch
create table w (a int default 7, b text default 'b' || 'c', c boolean)
insert into w default values
insert into w (c) values (true), (false)
insert into w (c) select false
select * from w order by a, b, c
create table types (a smallint, b bigint, c real, d double precision, e numeric(10,2), f boolean, g date, h time, i timestamp, j timestamptz, k interval, l bytea, m text[], n float8[], o uuid, p json)
insert into types values (1, 2, 1.5, 2.5, 3.14159, true, '2024-02-29', '12:34:56.5', '2024-02-29 12:34:56', '2024-02-29 12:34:56+02', '1 mon 2 days 03:04:05', '\xdeadbeef', '{a,"b c",NULL}', '{1,2.5,NULL}', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{"a": [1, 2]}')
select * from types
insert into types (a) values (40000)
insert into types (a) values ('x')
insert into types (g) values ('nonsense')
insert into types (o) values ('nonsense')
insert into types (p) values ('{nonsense')
prepare ins (int, text) as insert into w (a, b) values ($1, $2)
execute ins (100, 'hundred')
execute ins (1)
select a, b from w where a = 100
prepare upd as update w set b = $2 where a = $1
execute upd (100, 'changed')
prepare del as delete from w where a = $1
execute del (100)
execute del (100)
with x as (select 1 as a, 'with' as b) insert into w (a, b) select * from x
select a, b from w where a = 1
select octet_length('\x0102'::bytea) as o, length('\x0102'::bytea) as l
