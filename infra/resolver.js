// The one resolver of every field that has one: AppSync's context to the function, its answer or error back.
// `@OPERATION@` is Invoke, or BatchInvoke for a field that is resolved for several objects at once.
import { util } from '@aws-appsync/utils';

export function request(ctx) {
  return {
    operation: '@OPERATION@',
    payload: {
      arguments: ctx.args,
      identity: ctx.identity,
      source: ctx.source,
      request: ctx.request,
      prev: ctx.prev,
      info: ctx.info,
      stash: ctx.stash,
    },
  };
}

export function response(ctx) {
  if (ctx.error) {
    util.error(ctx.error.message, ctx.error.type);
  }
  if (ctx.result.errorType) {
    util.error(ctx.result.errorMessage, ctx.result.errorType, null, ctx.result.errorInfo);
  }
  return ctx.result.data;
}
