//! The server that is attacked, its tenants, and what they have in the register.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use http_message_signatures::Algorithm;
use serde_json::{Value, json};
use testing::client::{Client, Key, uuid};
use testing::home::{Home, Register, person};
use testing::patience::amount;
use testing::program::run;
use testing::server::Server;
use tokio::task::JoinSet;

/// Where attackers ask from, and where the neighbour does: each address has limits of its own.
pub const ATTACKERS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
pub const NEIGHBOUR: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
/// A proxy whose word counts, and the address for which it asks.
pub const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 7));
pub const BEHIND_PROXY: &str = "203.0.113.5";

/// Clients of the attacking tenant, each with a quota of its own. The last one signs with the dearest key.
const CLIENTS: usize = 4;
const SCOPES: &str = "users:admin accounts:admin checks:admin taxes:admin webhooks:admin";
/// The name and the password of each tenant's operator.
pub const OPERATORS: [&str; 2] = ["neighbour", "attacker"];
pub const PASSWORD: &str = "correct horse battery";
/// Users of the neighbour, of which a list shows a hundred.
const NEIGHBOURS_USERS: u64 = 120;

pub struct Scene {
    pub home: Home,
    pub server: Server,
    pub operators: SocketAddr,
    pub neighbour: Client,
    /// The first users of the neighbour, as they were answered.
    pub users: Vec<Vec<u8>>,
    pub attackers: Vec<Client>,
    /// The attacking tenant's users.
    pub attackers_users: Vec<String>,
    /// A token of the attacking tenant's operator, who may do what operators may.
    pub operator_token: String,
    /// A name server that takes every question and answers none.
    _names: UdpSocket,
}

impl Scene {
    pub async fn new() -> Self {
        let home = Home::new("");
        let names = UdpSocket::bind("127.0.0.1:0").unwrap();
        home.write("investord.toml", &config(&home.register(), names.local_addr().unwrap()));
        let kinds = (0..CLIENTS).map(|n| if n + 1 == CLIENTS { Algorithm::P521 } else { Algorithm::Ed25519 });
        let keys: Vec<Key> = kinds.map(Key::new).collect();
        let identities: Vec<_> =
            keys.into_iter().map(|key| (uuid(), format!("secret-{}", uuid()), key)).collect();
        let attacker = identities.iter().map(client_entry).collect::<String>();
        let tenants = home.tenants(OPERATORS[0], "");
        let name = OPERATORS[1];
        let settings = format!("name = \"{name}\"\nmodel = \"TOL\"\nreview_policy = \"review\"");
        home.write("tenants.toml", &format!("{tenants}\n[[tenant]]\n{settings}\n{attacker}"));
        let server = home.serve();
        let log = home.log();
        let operators = log.lines().find_map(|line| line.strip_prefix("operators are answered on ")).unwrap();
        let operator_token = create_operators(&home, operators);
        let operators = operators.parse().unwrap();
        let neighbour = home.caller(&server).await;
        let mut attackers = Vec::new();
        for (id, secret, key) in identities {
            let mut client = Client::new(server.address, &id, &secret, &key);
            client.scopes = SCOPES.into();
            client.renew().await;
            attackers.push(client);
        }
        let mut users = create(std::slice::from_ref(&neighbour), (0..NEIGHBOURS_USERS).map(person)).await;
        users.sort_unstable();
        let large = (0..amount(300, 1000)).map(large_investor);
        let attackers_users = create(&attackers[..CLIENTS - 1], large).await;
        let attackers_users = attackers_users.iter().map(|user| id(user)).collect();
        Self {
            home,
            server,
            operators,
            neighbour,
            users,
            attackers,
            attackers_users,
            operator_token,
            _names: names,
        }
    }
}

/// Lines that are added to the configuration, such as `limits.scans_per_tenant = 6`: to see what an attack does where
/// its remedy is taken out.
const CONFIG: &str = "INVESTORD_TEST_CONFIG";

/// The configuration of an installation, with nothing switched off: ports that are free, receivers on this machine, and
/// a name server that is silent.
fn config(register: &Register, names: SocketAddr) -> String {
    let database = match register {
        Register::File(_) => String::new(),
        Register::Server(url) => format!("database = \"{url}\"\n"),
    };
    let more = std::env::var(CONFIG).unwrap_or_default();
    format!(
        "{database}listen = \"127.0.0.1:0\"\ndata = \"data\"\nmaster_key_file = \"master.key\"\n\
         tenants = \"tenants.toml\"\nproxy.trusted = [\"{PROXY}/32\"]\n\
         webhooks.allow_insecure_targets = true\nwebhooks.name_servers = [\"{names}\"]\n{more}\n"
    )
}

fn client_entry((id, secret, key): &(String, String, Key)) -> String {
    let scopes: Vec<String> = SCOPES.split(' ').map(|scope| format!("\"{scope}\"")).collect();
    format!(
        "[[tenant.client]]\nid = \"{id}\"\nsecret = \"{secret}\"\nscopes = [{}]\n[[tenant.client.key]]\n\
         id = \"{}\"\npublic_key = '''\n{}'''\n",
        scopes.join(", "),
        key.id,
        key.pair.public_key().to_spki_pem()
    )
}

/// Creates an operator for each tenant. The token of the attacking tenant's.
fn create_operators(home: &Home, address: &str) -> String {
    let (url, password) = (format!("http://{address}"), home.write("password", PASSWORD));
    for name in OPERATORS {
        let words = ["operator", "create", name, "--role", "compliance", "--role", "support"];
        let invited = run(home.command(&words).args(["--tenant", name, "--json"])).json();
        let invitation = home.write("invitation", invited["invitation"].as_str().unwrap());
        let mut accept = home.bare(&["operator", "accept", "--url", &url, "--invitation-file"]);
        run(accept.arg(&invitation).arg("--password-file").arg(&password)).ok();
    }
    run(&mut home.command(&["operator", "token", OPERATORS[1]])).ok().trim().to_owned()
}

/// The body of a create request of the attacking tenant, whose users have more to say.
pub fn investor(number: u64) -> Vec<u8> {
    let mut person = example();
    person["first_name"] = json!(format!("Karl {number}"));
    person.to_string().into_bytes()
}

fn example() -> Value {
    serde_json::from_str(include_str!("../../../../api/examples/create-user-tol.json")).unwrap()
}

/// The same for a user that takes as much room in a list as one may.
fn large_investor(number: u64) -> Vec<u8> {
    let mut person = example();
    person["nationalities"] = json!(vec!["DE"; 250]);
    for name in ["first_name", "birth_city", "birth_name"] {
        person[name] = json!(format!("{number:x>80}"));
    }
    for address in ["address", "postal_address"] {
        for line in ["address_line1", "address_line2"] {
            person[address][line] = json!("x".repeat(100));
        }
    }
    person.to_string().into_bytes()
}

pub fn id(user: &[u8]) -> String {
    let user: Value = serde_json::from_slice(user).unwrap();
    user["id"].as_str().unwrap().to_owned()
}

/// Creates users by several clients in turn, many at once, within their quotas: the answers.
async fn create(clients: &[Client], people: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    const AT_ONCE: usize = 16;
    let (mut created, mut people, mut sending) = (Vec::new(), people.enumerate(), JoinSet::new());
    loop {
        while sending.len() < AT_ONCE
            && let Some((number, body)) = people.next()
        {
            let client = clients[number % clients.len()].clone();
            sending.spawn(async move { create_one(&client, &body).await });
        }
        match sending.join_next().await {
            Some(user) => created.push(user.unwrap()),
            None => return created,
        }
    }
}

/// Creates a user, as soon as the quota allows it.
async fn create_one(client: &Client, body: &[u8]) -> Vec<u8> {
    let once = uuid();
    loop {
        let answer = client.creation(body, &once).ask().await;
        if answer.status == 200 {
            return answer.body;
        }
        assert_eq!(answer.status, 429, "{answer}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}
