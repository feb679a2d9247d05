/** The page: signs in, shows the view that the address names. */

import { Api } from "./api.js";
import { loadConfig } from "./config.js";
import { fill, h, icon, iconButton } from "./dom.js";
import { menuButton } from "./dialog.js";
import { showKeys } from "./keys.js";
import { libraryView } from "./library.js";
import { readPlace } from "./links.js";
import { problemBox } from "./problems.js";
import { Session, readClaims } from "./session.js";
import { applyTheme, chooseTheme, chosenTheme } from "./theme.js";
import { Uploads } from "./upload.js";
import { watchView } from "./watch.js";

/** What all views share. */
export class App {
  /** @param {import("./config.js").Config} config @param {Session} session */
  constructor(config, session) {
    this.config = config;
    this.session = session;
    this.api = new Api(config.api_url, session);
    // The journal of uploads is shared by all who use this browser.
    this.uploads = new Uploads(this.api, readClaims(session.token).sub ?? "");
    /** What shall be done with a new video. @type {() => any} */
    this.analysis = () => undefined;
    /** @type {Promise<any[]> | null} */
    this.modelsAsked = null;
  }

  /** Models that jobs can name. @returns {Promise<any[]>} */
  models() {
    this.modelsAsked ??= this.api.all("/models").catch((error) => {
      this.modelsAsked = null;
      throw error;
    });
    return this.modelsAsked;
  }
}

/** @type {{element: HTMLElement, dispose: () => void, go?: (place: any) => boolean} | null} */
let view = null;

async function start() {
  applyTheme();
  const root = /** @type {HTMLElement} */ (document.getElementById("app"));
  try {
    const config = await loadConfig();
    const session = new Session(config.login);
    await session.start();
    /** @type {App | null} */
    let app = null;
    const show = () => {
      if (!session.token) {
        app = null;
        setView(root, signInView(session));
        return;
      }
      if (!app) {
        app = new App(config, session);
        app.uploads.restore();
        // For whoever looks at it from the console, and for the tests.
        /** @type {any} */ (window).reelscan = { app };
      }
      const place = readPlace();
      if (place.videoId && view?.go?.(place)) return;
      const made = place.videoId ? watchView(app, place) : libraryView(app);
      setView(root, made);
      /** @type {any} */ (window).reelscan.view = made;
    };
    session.addEventListener("change", show);
    addEventListener("hashchange", () => {
      if (/[#&/]token=/.test(location.hash)) session.start();
      show();
    });
    fill(/** @type {HTMLElement} */ (document.getElementById("top-tools")), topTools(session));
    document.getElementById("skip")?.addEventListener("click", skip);
    show();
  } catch (error) {
    fill(root, h("main", { class: "message", id: "main" }, problemBox(error)));
  }
}

/** To the content, past what every view has. @param {Event} event */
function skip(event) {
  event.preventDefault();
  const main = document.getElementById("main");
  main?.setAttribute("tabindex", "-1");
  main?.focus();
}

/** @param {HTMLElement} root @param {{element: HTMLElement, dispose: () => void}} next */
function setView(root, next) {
  view?.dispose();
  view = next;
  fill(root, next.element);
  scrollTo(0, 0);
}

/** @param {Session} session */
function topTools(session) {
  const themes = /** @type {[import("./theme.js").Theme, string, string][]} */ ([
    ["system", "As the system", "system"],
    ["light", "Light", "sun"],
    ["dark", "Dark", "moon"],
  ]);
  const menu = menuButton(
    icon("sun"),
    () =>
      h(
        "div",
        { role: "group", "aria-label": "Colours" },
        themes.map(([theme, name, picture]) =>
          h(
            "button",
            {
              type: "button",
              class: "menu-item",
              "aria-pressed": String(chosenTheme() === theme),
              onclick: () => {
                chooseTheme(theme);
                menu.close();
              },
            },
            icon(picture),
            name,
          ),
        ),
        h("hr"),
        h("button", { type: "button", class: "menu-item", onclick: () => session.signOut() }, "Sign out"),
      ),
    { class: "icon-button", "aria-label": "Colours and account", title: "Colours and account" },
  );
  return [iconButton("keyboard", "Keyboard (?)", showKeys), menu.element];
}

/** @param {Session} session */
function signInView(session) {
  const { login } = session;
  const token = h("textarea", { rows: "4", id: "token", spellcheck: "false", autocomplete: "off", required: true });
  const ways =
    login.kind === "cognito"
      ? h("button", { type: "button", class: "button primary", onclick: () => session.leaveToSignIn() }, "Sign in")
      : h(
          "form",
          {
            onsubmit: (/** @type {Event} */ event) => {
              event.preventDefault();
              session.signIn(token.value);
            },
          },
          h("label", { class: "field", for: "token" }, h("span", {}, "Access token")),
          token,
          h(
            "p",
            { class: "soft" },
            h("code", {}, "make local"),
            " prints one, and a link that signs you in by itself.",
          ),
          h("button", { class: "button primary" }, "Sign in"),
        );
  const problem = session.problem ? problemBox(session.problem) : null;
  const main = h("main", { class: "sign-in panel", id: "main" }, h("h1", {}, "Sign in"), problem, ways);
  return { element: main, dispose() {} };
}

start();
