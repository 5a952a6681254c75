// node-postgres with its cursors and streams.
const fs = require('fs');
const path = require('path');
const { Pool, Client } = require('pg');
const Cursor = require('pg-cursor');
const QueryStream = require('pg-query-stream');
const assert = require('assert');

// Their package.json is not among what some packages export.
const version = (name) => JSON.parse(fs.readFileSync(path.join(process.env.NODE_PATH, name, 'package.json'))).version;

const LONG = 'select max(value) from generate_series(1, 100000000000) as value';

async function check(name, body) {
  try {
    await body();
    console.log(`works\t${name}`);
  } catch (error) {
    console.log(`fails\t${name}\t${String(error.message || error).replace(/\s+/g, ' ').slice(0, 300)}`);
  }
}

async function main() {
  const client = new Client();
  console.log(`client\tnode-postgres\t${version('pg')}, pg-cursor ${version('pg-cursor')}, pg-query-stream ${version('pg-query-stream')}`);
  await client.connect();

  const sql = "select true as b, 7::smallint as s, 7 as i, 7::bigint as l, 2.5::float8 as d, 12.50::numeric(10,2) as n, 'ä' as t, " +
    "timestamptz '2024-01-02 03:04:05+00' as at, '\\x00ff'::bytea as x, array[1.5, null]::float8[] as f, array['a', 'b c'] as a, null as nothing";
  await check('types in text', async () => {
    const row = (await client.query(sql)).rows[0];
    assert.deepStrictEqual([row.b, row.s, row.i, row.l, row.d, row.n, row.t, row.nothing], [true, 7, 7, '7', 2.5, '12.50', 'ä', null]);
    assert.strictEqual(row.at.toISOString(), '2024-01-02T03:04:05.000Z');
    assert.deepStrictEqual([...row.x], [0, 255]);
    assert.deepStrictEqual([row.f, row.a], [[1.5, null], ['a', 'b c']]);
  });
  await check('types in binary', async () => {
    const row = (await client.query({ text: sql, binary: true })).rows[0];
    assert.deepStrictEqual([row.b, row.s, row.i, row.l, row.d, row.t, row.nothing], [true, 7, 7, '7', 2.5, 'ä', null]);
  });
  await check('parameters', async () => {
    const { rows } = await client.query('select $1::int + 1 as i, $2::text as t, $3::date as d, $4::numeric as n, $5::float8 as f', [1, 'ß', '2024-02-29', '1.25', null]);
    assert.strictEqual(rows[0].i, 2);
    assert.strictEqual(rows[0].t, 'ß');
    assert.strictEqual(rows[0].f, null);
  });
  await check('arrays as parameters', async () => {
    const { rows } = await client.query('select eye, count(*)::int as eyes from gold.eye_features where eye = any($1) group by 1 order by 1', [['OD', 'OS']]);
    assert.deepStrictEqual(rows.map((row) => row.eye), ['OD', 'OS']);
    assert.ok((await client.query('select count(*)::int as n from gold.eye_features where age_years = any($1)', [[20, 30, 40, 50]])).rows[0].n >= 0);
  });
  await check('a date as a parameter', async () => {
    const { rows } = await client.query('select count(*)::int as n from gold.eye_features where exam_date > $1', [new Date('1990-01-01')]);
    assert.ok(rows[0].n > 0);
  });
  await check('prepared by name', async () => {
    for (const eye of ['OD', 'OS']) {
      const { rows } = await client.query({ name: 'eyes', text: 'select count(*)::int as n from gold.eye_features where eye = $1', values: [eye] });
      assert.ok(rows[0].n > 0);
    }
  });
  await check('several statements in one', async () => {
    const results = await client.query('select 1 as a; select 2 as b');
    assert.deepStrictEqual(results.map((result) => result.rows[0]), [{ a: 1 }, { b: 2 }]);
  });
  await check('rows as arrays, fields with types', async () => {
    const result = await client.query({ text: 'select 1 as a, 2 as a', rowMode: 'array' });
    assert.deepStrictEqual([result.rows[0], result.fields.map((field) => field.dataTypeID)], [[1, 2], [23, 23]]);
  });
  await check('pg-cursor', async () => {
    const cursor = client.query(new Cursor('select value from generate_series(1, 1000) as value order by 1'));
    assert.strictEqual((await cursor.read(10)).length, 10);
    assert.strictEqual((await cursor.read(2000)).length, 990);
    assert.strictEqual((await cursor.read(10)).length, 0);
    await cursor.close();
  });
  await check('pg-query-stream', async () => {
    let sum = 0;
    for await (const row of client.query(new QueryStream('select value from generate_series(1, 5000) as value', [], { batchSize: 64 }))) sum += Number(row.value);
    assert.strictEqual(sum, 12502500);
  });
  await check('transactions', async () => {
    await client.query('begin');
    await assert.rejects(client.query('select 1 / 0'), { code: '22012' });
    await assert.rejects(client.query('select 1'), { code: '25P02' });
    await client.query('rollback');
    assert.strictEqual((await client.query('select 2 as two')).rows[0].two, 2);
  });
  await check('errors with SQLSTATE, hint and position', async () => {
    await assert.rejects(client.query('select * from gold.eye_featurs'), (error) => error.code === '42P01' && /eye_features/.test(error.hint));
    await assert.rejects(client.query('select 1 1'), (error) => error.code === '42601' && error.position === '10');
  });
  await check('statement_timeout', async () => {
    const own = new Client({ statement_timeout: 300 });
    await own.connect();
    await assert.rejects(own.query(LONG), { code: '57014' });
    await own.end();
  });
  await check('query_timeout', async () => {
    const own = new Client({ query_timeout: 300 });
    own.on('error', () => {});
    await own.connect();
    await assert.rejects(own.query(LONG), /timeout/);
    own.connection.stream.destroy();
  });
  await check('a pool', async () => {
    const pool = new Pool({ max: 4 });
    const found = await Promise.all([...Array(20).keys()].map((n) => pool.query('select $1::int * 2 as n', [n])));
    assert.deepStrictEqual(found.map((result) => result.rows[0].n), [...Array(20).keys()].map((n) => n * 2));
    await pool.end();
  });
  await check('a composite is an object', async () => {
    assert.strictEqual((await client.query('select power_vector(-2, -1, 90) as v')).rows[0].v.m, -2.5);
  });
  await check('LISTEN and UNLISTEN are accepted', async () => {
    await client.query('listen news');
    await client.query('unlisten *');
  });
  await check('a temporary table', async () => {
    await client.query('create temp table of_node (eye text, k float8)');
    const inserted = await client.query('insert into of_node values ($1, $2), ($3, $4)', ['OD', 43.5, 'OS', null]);
    assert.strictEqual(inserted.rowCount, 2);
    assert.deepStrictEqual((await client.query('select * from of_node order by eye')).rows, [{ eye: 'OD', k: 43.5 }, { eye: 'OS', k: null }]);
  });
  await check('predict', async () => {
    const { rows } = await client.query("select predict('kc_dx') as said from gold.eye_features where eye = $1 limit 3", ['OD']);
    assert.ok(rows.length === 3 && rows.every((row) => typeof row.said === 'string'));
  });
  await client.end();
}

main().catch((error) => { console.log(`fails\tconnects\t${error}`); process.exitCode = 1; });
