-- What Grafana's query builder asks for.
select current_setting('server_version_num')::int / 100 as version;
select extversion from pg_extension where extname = 'timescaledb';
select case when quote_ident(table_schema) in (
         select case when trim(path[n]) = '"$user"' then user else trim(path[n]) end
         from generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1),
                              array_upper(string_to_array(current_setting('search_path'), ','), 1)) as n,
              string_to_array(current_setting('search_path'), ',') path)
       then quote_ident(table_name) else quote_ident(table_schema) || '.' || quote_ident(table_name) end as "table"
from information_schema.tables where quote_ident(table_schema) not in ('information_schema', 'pg_catalog') order by 1;
select quote_ident(column_name) as "column", data_type as "type" from information_schema.columns
where case when array_length(parse_ident('gold.eye_features'), 1) = 2
      then quote_ident(table_schema) = (parse_ident('gold.eye_features'))[1] and quote_ident(table_name) = (parse_ident('gold.eye_features'))[2]
      else quote_ident(table_name) = 'gold.eye_features' end;
