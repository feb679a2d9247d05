// Query.video without the function: one item by its key, shown as `chalicelib/api/present.py` shows it.
// tests/infra/test_direct_reads.py holds the two equal. What `@REFUSALS@` and `@TITLES@` stand for is written by
// `infra/direct_reads.py`, which asks the service.
import { util } from '@aws-appsync/utils';

export function request(ctx) {
  const videoId = ctx.args.videoId;
  const tenant = tenantOf(ctx.identity);
  if (!util.matches('^vid_[0-9A-HJKMNP-TV-Z]{26}$', videoId)) {
    refuse('NO_VIDEO', videoId);
  }
  return {
    operation: 'GetItem',
    key: util.dynamodb.toMapValues({ pk: `${tenant}#${videoId}`, sk: 'VIDEO' }),
    consistentRead: true,
  };
}

export function response(ctx) {
  if (ctx.error) {
    // `DynamoDB:ThrottlingException`, of which the service names the second part.
    const words = ctx.error.type.split(':');
    refuse('NO_ANSWER', words[words.length - 1]);
  }
  const item = ctx.result;
  if (!item) {
    refuse('NO_VIDEO', ctx.args.videoId);
  }
  return {
    videoId: ctx.args.videoId,
    filename: item.filename,
    state: item.state,
    sizeBytes: item.source.size_bytes,
    createdAt: item.created_at,
    media: item.media ? mediaOf(item.media) : null,
    error: item.failure ? errorOf(item.failure) : null,
  };
}

// Of the token alone, as `chalicelib/services/tenancy.py` reads it; no separator of a key can hide in it.
function tenantOf(identity) {
  const claims = identity ? identity.claims : null;
  if (!claims) {
    refuse('NO_TOKEN', '');
  }
  if (claims['token_use'] !== 'access') {
    refuse('NO_ACCESS_TOKEN', '');
  }
  const tenant = claims['custom:tenant'];
  if (typeof tenant !== 'string' || tenant === 'public' || !util.matches('^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$', tenant)) {
    refuse('NO_TENANT', '');
  }
  return tenant;
}

function mediaOf(media) {
  return {
    container: media.container,
    codec: media.codec,
    width: media.width,
    height: media.height,
    rotation: media.rotation,
    // A whole number of seconds is stored without its denominator.
    timebase: media.timebase.includes('/') ? media.timebase : `${media.timebase}/1`,
    durationSeconds: media.duration_seconds,
    frameCount: media.frame_count,
    keyframes: media.keyframes,
  };
}

function errorOf(failure) {
  const titles = @TITLES@;
  return { code: failure.code, title: titles[failure.code], detail: failure.detail, hint: failure.hint };
}

// `what` ends the message: the id that was asked for, or what DynamoDB said.
function refuse(why, what) {
  const refusal = @REFUSALS@[why];
  util.error(`${refusal.errorMessage}${what}`, refusal.errorType, null, refusal.errorInfo);
}
