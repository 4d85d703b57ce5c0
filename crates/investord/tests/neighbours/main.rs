// One tenant, stranger or slow reader hurts nobody else: a server with its default limits is attacked, and what another
// tenant asks of it meanwhile is answered, measured and compared with a quiet time. Here on SQLite;
// `neighbours_postgres` includes this file, and does the same on PostgreSQL.

mod attacker;
mod attacks;
mod frames;
mod neighbour;
mod scene;
mod trial;
mod watch;
