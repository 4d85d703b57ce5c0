// Starts a development server with a tenant under review, two operators, and people to look at.
import { spawn, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const PASSWORD = "correct horse battery";

/** What somebody could try to have executed: it is in every field that takes text. */
export const CANARY = `<img src=x onerror="document.title='hurt'">`;

export const example = (name) => JSON.parse(readFileSync(join(process.env.CONSOLE_EXAMPLES, `${name}.json`), "utf8"));

/** A server, and the ways to speak to it. */
export class Register {
  static async start(binary, database) {
    const register = new Register();
    register.binary = binary;
    register.database = database;
    register.folder = mkdtempSync(join(tmpdir(), "investord-console."));
    const options = ["dev", "--data", register.folder, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0"];
    if (database) options.push("--database", database);
    const env = { ...process.env, INVESTORD_METRICS_LISTEN: "127.0.0.1:0" };
    register.process = spawn(binary, options, { env, stdio: ["ignore", "pipe", "inherit"] });
    register.console = await new Promise((resolve, reject) => {
      let said = "";
      register.process.stdout.on("data", (chunk) => {
        said += chunk;
        const found = said.match(/operators\s+(http:\S+)/);
        if (found) resolve(found[1].replace("127.0.0.1", "localhost"));
      });
      register.process.on("exit", (code) => reject(new Error(`the server has ended with ${code}`)));
    });
    register.api = readFileSync(join(register.folder, "profile.toml"), "utf8").match(/url = "(.*)"/)[1];
    register.token = readFileSync(join(register.folder, "operator.token"), "utf8").trim();
    return register;
  }

  async stop() {
    const ended = new Promise((resolve) => this.process.on("exit", resolve));
    this.process.kill("SIGTERM");
    await ended;
  }

  /** Asks the operator API, as the operator of the development server or of another token. */
  async operate(method, path, body, token = this.token) {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const answer = await fetch(this.console + path, { method, headers, body: body && JSON.stringify(body) });
    const json = await answer.json();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(json)}`);
    return json;
  }

  /** Calls the API for clients, signed. */
  call(method, path, body, profile = join(this.folder, "profile.toml")) {
    const options = ["call", "--raw", "--profile", profile, method, path];
    if (body) {
      const file = join(this.folder, "body.json");
      writeFileSync(file, JSON.stringify(body));
      options.push(`@${file}`);
    }
    const answer = execFileSync(this.binary, options, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    return answer.trim() ? JSON.parse(answer) : null;
  }

  /** Creates an operator with a password, on the machine: an account that operators make is nobody's second for a day. */
  async operator(name, roles, tenant) {
    const options = ["operator", "create", name, "--json", "--reason", "new here"];
    roles.forEach((role) => options.push("--role", role));
    if (tenant) options.push("--tenant", tenant);
    const made = this.command(options);
    await this.operate("POST", "/invitations", { invitation: made.invitation, password: PASSWORD });
  }

  /** Changes settings of the tenant on the machine: through the API it takes two. They are in force within a second. */
  async set(...settings) {
    this.command(["tenant", "set", "demo", ...settings, "--json"]);
    await new Promise((resolve) => setTimeout(resolve, 1100));
  }

  /** Approves what waits for a decision, as an operator. */
  async approve(operator, user, subject) {
    const session = await this.operate("POST", "/sessions", { name: operator, password: PASSWORD });
    await this.operate("POST", `/tenants/demo/users/${user}/reviews/${subject}`, { verdict: "approve" }, session.token);
  }

  /** Runs a command on the database. */
  command(options) {
    const place = this.database ? ["--database", this.database] : ["--data", this.folder];
    const env = { ...process.env, INVESTORD_MASTER_KEY_FILE: join(this.folder, "master.key") };
    return JSON.parse(execFileSync(this.binary, [...options, ...place], { encoding: "utf8", env }));
  }

  /** A webhook to which nothing can be delivered: nobody listens there. */
  webhook(changes) {
    return { ...example("create-webhook"), url: "https://localhost:9/hooks", enabled: true, type: ["ALL"], ...changes };
  }

  /** Asks to change the name of a person. */
  renames(person, last_name) {
    const change = { ...example("change-name"), first_name: "Marta", last_name };
    this.call("POST", `/users/${person.id}/data_change_requests`, change);
  }

  person(changes) {
    return this.call("POST", "/users", { ...example("create-user-tol"), ...changes });
  }
}
