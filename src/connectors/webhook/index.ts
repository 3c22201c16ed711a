import { targetOfUrl } from '../kit/config/url.ts';
import { type Check, defineConnector } from '../kit/contract/connector.ts';
import { type HttpState, httpBase } from '../kit/http/http-base.ts';
import { type WebhookMessage, webhookConfig } from './config.ts';

/** What is read of an answer, in bytes: nobody looks at more than its status. */
const MAX_ANSWER = 4 * 1024;

const send: Check<WebhookMessage, HttpState> = {
  name: 'message/send',
  title: 'Send the message',
  description: 'The receiver has got the message and has answered, with whatever status.',
  // a child that dies with it may have sent it: it is sent again when it is due again, and not at once
  writes: true,
  async run({ config, state }) {
    const { pathname } = new URL(config.url);
    const { headers, body } = config;
    const answer = await state.http.request({
      ...{ method: 'POST', path: pathname, headers, body },
      ...{ maxBytes: MAX_ANSWER, tooLong: 'cut' },
    });
    return { evidence: { status: answer.status } };
  },
};

/**
 * How the executor sends a webhook: as it runs a test, so that egress, TLS, deadline and whatever a hostile receiver
 * does are judged and contained in the same way. It is no datastore's type.
 */
export const webhook = defineConnector({
  type: 'WEBHOOK',
  title: 'Webhook',
  description: 'A receiver of webhooks.',
  category: 'MANAGED',
  provenAgainst: 'the standardwebhooks package',
  leastRights: 'None.',
  config: webhookConfig,
  example: { url: 'https://receiver.example.com/hook', headers: {}, body: '{}' },
  ...httpBase((config) => targetOfUrl(config.url, config.tls, { hostPath: 'url' }), [send]),
});
