// AppSync's JavaScript as far as our resolvers use it: `request`, the read that it asks for, `response`.
// Reads {code, items, events} as JSON, writes the answer to each event: {data}, or {error} as `util.error` was told.
// Source: https://docs.aws.amazon.com/appsync/latest/devguide/resolver-reference-js-version.html
const { readFileSync } = require('node:fs');

class Refusal extends Error {}

const util = {
  error(message, type = null, data = null, info = null) {
    throw Object.assign(new Refusal(message), { type, data, info });
  },
  // Of the whole text, or of a part: our patterns have both ends.
  matches: (pattern, text) => new RegExp(pattern, 'u').test(text),
  dynamodb: {
    toMapValues: (values) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { S: value }])),
  },
};

// How AppSync shows an item to `response`: no types, numbers as numbers.
function plain(value) {
  const [[kind, inner]] = Object.entries(value);
  switch (kind) {
    case 'N':
      return Number(inner);
    case 'NULL':
      return null;
    case 'L':
      return inner.map(plain);
    case 'M':
      return plainItem(inner);
    default:
      return inner;
  }
}

const plainItem = (item) => Object.fromEntries(Object.entries(item).map(([name, value]) => [name, plain(value)]));

function resolverOf(code) {
  const body = code.replace(/^import .*$/gm, '').replace(/^export /gm, '');
  return new Function('util', `'use strict';${body}\nreturn { request, response };`)(util);
}

function answer(resolver, items, event) {
  const ctx = { args: event.arguments, identity: event.identity, error: null, result: null };
  try {
    const { operation, key, consistentRead, ...more } = resolver.request(ctx);
    if (operation !== 'GetItem' || consistentRead !== true || Object.keys(more).length) {
      throw new Error(`not the one read that is looked for: ${operation}`);
    }
    if (event.failure) {
      ctx.error = { message: 'DynamoDB failed', type: `DynamoDB:${event.failure}` };
    } else {
      const found = items[`${key.pk.S}/${key.sk.S}`];
      ctx.result = found ? plainItem(found) : null;
    }
    return { data: resolver.response(ctx) };
  } catch (error) {
    if (error instanceof Refusal) {
      return { error: { message: error.message, type: error.type, data: error.data, info: error.info } };
    }
    throw error;
  }
}

const { code, items, events } = JSON.parse(readFileSync(0, 'utf8'));
const resolver = resolverOf(code);
process.stdout.write(JSON.stringify(events.map((event) => answer(resolver, items, event))));
