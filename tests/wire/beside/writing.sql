create table t (a int primary key, b text default 'none', c numeric(10,2))
insert into t values (1, 'one', 1.5), (2, default, null) returning *
insert into t (a) values (3) returning a, b, a + 1 as next, upper(b)
insert into t (a, b) select a + 10, b || '!' from t order by a returning a, b
insert into t values (4, 'four', 4) returning nosuch
insert into t values (1, 'again', 1) returning a
insert into t values (4, 'four', 4) returning 1 / (a - 4)
select count(*) from t
update t set b = b || '?' where a < 3 returning a, b
update t as x set c = x.a * 2 where x.a = 3 returning x.*
update t set c = 0 where a = 99 returning a
update t set (b, c) = ('both', 7.255) where a = 1 returning a, b, c
update t set b = 'x', b = 'y'
update t set a = default where a = 1
delete from t where a > 10 returning a, b
delete from t where a = 99 returning a
select * from t order by a
create table u (a int, b text, extra int)
insert into u values (1, 'from u', 100), (2, 'two', 200), (2, 'two', 200), (7, 'seven', 700)
update t set b = u.b from u where t.a = u.a and u.a = 1
update t set b = s.b, c = s.n from (select a, max(b) as b, count(*) as n from u group by a) as s where s.a = t.a returning t.a, t.b, t.c, s.n
select * from t order by a
update t set c = extra from u where t.a = u.a
select a, c from t order by a
update t set b = u.b from u join (values (1, 'v')) as v (k, w) on v.k = u.a where t.a = u.a returning t.a, v.w, extra
update t set b = z.b from u as z where z.a = t.a and a = 1
delete from t using u where t.a = u.a and (u.extra = 7 or a = 1)
select t.b from t join u using (a) where t.a = u.a and a = 99
select t.b from t, u where t.a = u.a and a = 1
update t set b = nosuch.b from u where t.a = u.a
update t set b = u.b from nosuch as u where t.a = u.a
with s as (select 1 as k, 'with' as w) update t set b = s.w from s where t.a = s.k returning a, b
delete from t using u where t.a = u.a and u.extra = 200 returning t.a, t.b, u.extra
delete from t using u, (values (1)) as v (k) where t.a = u.a and u.a = v.k
select * from t order by a
delete from u using u as other where u.a = other.a and other.extra = 700
select count(*) from u
with gone as (select 2 as k) delete from u using gone where u.a = gone.k
select * from u order by a
insert into t values (5, 'five', 5), (3, 'three', 3) on conflict do nothing
insert into t values (5, 'x', 5) on conflict (a) do nothing returning a
insert into t values (6, 'first', 6), (6, 'second', 6) on conflict do nothing returning *
select * from t order by a
insert into t values (5, 'upserted', 50), (8, 'eight', 8) on conflict (a) do update set b = excluded.b, c = t.c + excluded.c returning a, b, c
insert into t values (5, 'w', 1) on conflict (a) do update set b = excluded.b where t.c < 10
insert into t values (5, 'w', 1) on conflict (a) do update set b = excluded.b where t.c > 10
insert into t as x values (5, 'aliased', 1) on conflict (a) do update set c = x.c + 1 returning x.c
insert into t values (9, 'nine', 9), (9, 'again', 9) on conflict (a) do update set b = excluded.b
insert into t values (5, 'p', 1), (5, 'q', 1) on conflict (a) do update set b = excluded.b
insert into t values (5, 'p', 1) on conflict (b) do nothing
insert into t values (5, 'p', 1) on conflict (nosuch) do nothing
insert into t values (5, 'p', 1) on conflict on constraint t_pkey do update set b = 'by name'
insert into t values (5, 'p', 1) on conflict on constraint nosuch do nothing
insert into t values (5, 'p', 1) on conflict do update set b = 'x'
insert into t values (5, 'p', 1) on conflict (a) do update set nosuch = 1
insert into t values (5, 'p', 1) on conflict (a) do update set c = c + 1
insert into t (a, b) select a, 'bulk' from generate_series(1, 6) as g (a) on conflict (a) do update set b = excluded.b || ' ' || t.b
select * from t order by a
create table two (a int unique, b int unique, c text)
insert into two values (1, 1, 'one'), (null, 2, 'null'), (null, 3, 'null')
insert into two values (1, 9, 'a'), (9, 1, 'b'), (null, 4, 'c'), (5, 5, 'd'), (5, 6, 'e'), (6, 5, 'f') on conflict do nothing
select * from two order by b
insert into two values (5, 1, 'clash') on conflict (a) do update set b = excluded.b
insert into two values (null, 7, 'null') on conflict (a) do update set c = 'met'
prepare up (int, text) as insert into t (a, b) values ($1, $2) on conflict (a) do update set b = $2 || excluded.a returning a, b
execute up (5, 'prepared')
execute up (20, 'new')
prepare del as delete from t using u where t.a = u.a and u.a = $1 returning t.a
execute del (7)
prepare upd as update t set b = $2 where a = $1 returning a, b
execute upd (20, 'changed')
create table d (a int default 1, b text default 'b')
insert into d default values returning *
insert into d values (default, default), (2, default), (default, 'c')
insert into d (b) values (default), ('d') returning a
insert into d default values on conflict do nothing
select a, b from d order by a, b
insert into d values (2147483648)
insert into d values (1.5), (2.5), (-2.5)
insert into d values ('x')
insert into d values (true)
insert into d select 'x'
insert into d select b from d
insert into d select '17'
update d set a = 'x'
update d set a = b
update d set a = 3000000000
insert into d values (1, 2, 3)
insert into d (a, b) values (1)
insert into d values (1), (1, 2)
select a, count(*) from d group by a order by a
begin; insert into d values (100) returning a; rollback
select count(*) from d where a = 100
create view vd as select * from d
insert into vd values (1) returning a  -- differs: views are not written to
create table vals (a) as values (1), (2)
select * from vals order by a
