declare c scroll cursor for select generate_series(1, 5) as n
begin; declare c scroll cursor for select n from (values (1), (2), (3), (4), (5)) as x (n)
fetch 2 c
fetch backward 1 c
fetch last c
fetch next c
fetch prior c
fetch absolute -2 c
fetch absolute 0 c
fetch relative -1 c
fetch backward all c
move forward all in c
fetch relative 0 c
fetch backward 2 c
fetch first c
fetch relative 2 c
fetch relative 0 c
fetch absolute 99 c
fetch relative 0 c
move backward 3 in c
fetch forward 2 c
move absolute 1 in c
fetch all c
close c
declare d no scroll cursor for select n from (values (1), (2)) as x (n)
fetch 1 d
fetch backward 1 d
rollback
begin; declare h scroll cursor with hold for select n from (values (1), (2)) as x (n); commit
fetch all h
fetch backward all h
select name, is_holdable, is_binary, is_scrollable from pg_cursors
close h
close h
fetch 1 from h
create table t (a int)
insert into t values (1), (2)
begin; declare steady cursor for select a from t order by a
insert into t values (0)
fetch all steady
rollback
prepare p as select $1 + 1 as a
execute p (1)
deallocate p
execute p (1)
