select pg_typeof(now()), pg_typeof(current_timestamp), pg_typeof(date_trunc('month', now()))
set timezone = 'Pacific/Auckland'
select now()::date = current_date, extract(hour from now()) = extract(hour from now()::timestamp), now() = current_timestamp
select date_trunc('day', now())::date = current_date
select timestamptz '2024-01-01 00:00:00', timestamptz '2024-01-01 00:00:00+00'
select (timestamptz '2023-12-31 23:30:00+00')::timestamp, (timestamptz '2023-12-31 10:30:00+00')::date, (timestamptz '2023-12-31 10:30:00+00')::time
select timestamptz '2024-01-01 00:00+13' >= date '2024-01-01', timestamptz '2023-12-31 23:59+13' >= date '2024-01-01'
select timestamptz '2024-01-01 00:00+13' = timestamp '2024-01-01 00:00', timestamptz '2024-01-01 00:00+00' = timestamp '2024-01-01 00:00'
select timestamptz '2024-07-01 12:00+12' between date '2024-07-01' and date '2024-07-02'
select extract(hour from timestamptz '2024-01-01 00:00+00'), extract(day from timestamptz '2024-01-01 12:00+00')
select date_trunc('day', timestamptz '2024-01-01 12:00+00'), date_trunc('month', timestamptz '2024-01-31 12:00+00')
select timestamp '2024-01-01 12:00'::timestamptz, date '2024-07-01'::timestamptz
select timestamptz '2024-01-01 00:00+00' - timestamptz '2023-12-31 00:00+00'
set timezone = 'Europe/Rome'
select timestamptz '2024-01-01 00:00+01' >= date '2024-01-01', extract(hour from timestamptz '2024-06-01 00:00+00')
create temp table moments (at timestamptz, noted timestamp)
insert into moments values ('2024-06-01 00:00+00', '2024-06-01 02:00'), ('2024-01-01 00:00+00', '2024-01-01 02:00')
select at, noted, at = noted, at::timestamp, at::date, extract(hour from at), date_trunc('day', at) from moments order by noted
select count(*) from moments where at >= '2024-06-01' and at < date '2024-06-02'
insert into moments values ('2024-03-15 00:00', '2024-03-15 00:00'), ('2024-03-31', '2024-03-31')
select at, at = '2024-03-15', at in ('2024-03-31', '2024-06-01'), at between '2024-03-15' and '2024-03-31 00:00:00', at = '2024-03-14 23:00:00+00' from moments order by at
select at + interval '1 month', at - interval '1 month', interval '20 days' + at, date_trunc('month', at) + interval '1 month' - interval '1 day', at + interval '36 hours', noted + interval '1 month' from moments order by at
delete from moments where at in ('2024-03-15', '2024-03-31')
reset timezone
select extract(hour from at), at::timestamp from moments order by at
select date '2024-01-01' + interval '1 hour', date '2024-01-31' + interval '1 month', date '2024-01-01' - interval '1 day', interval '90 minutes' + date '2024-02-28'
select date '1000-01-01' + interval '1 day', date '0001-12-31' - interval '1 year'
select pg_typeof(date '2024-01-01' + interval '1 day'), pg_typeof(date '2024-01-01' + 1)
set timezone = 'Pacific/Auckland'
select pg_typeof(localtimestamp), pg_typeof(localtime), localtimestamp = now()::timestamp, localtimestamp::date = current_date
select pg_typeof(clock_timestamp()), clock_timestamp() >= now(), clock_timestamp() < now() + interval '1 hour'
