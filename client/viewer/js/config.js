/** Where the service is: `config.json` beside the page. */

/**
 * @typedef {{kind: "token"} | {kind: "cognito", domain: string, client_id: string, scopes: string[]}} Login
 * @typedef {object} Config
 * @property {string} api_url the REST API's base, without a slash at the end
 * @property {string | null} graphql_url
 * @property {string | null} realtime_url where subscriptions go; null: the job is polled
 * @property {Login} login how people sign in
 */

/** @returns {Promise<Config>} */
export async function loadConfig() {
  const response = await fetch("config.json", { cache: "no-cache" });
  if (!response.ok) throw new Error(`config.json must lie beside the page but the answer is ${response.status}`);
  const config = await response.json();
  return {
    graphql_url: null,
    realtime_url: null,
    login: { kind: "token" },
    ...config,
    api_url: config.api_url.replace(/\/$/, ""),
  };
}
