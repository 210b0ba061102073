#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

node=/usr/bin/node

setup_file() { start_sapid; }
teardown_file() { stop_sapid; }
setup() {
  long
  need_preloaded "$node" --version
  cat > "$BATS_TEST_TMPDIR/server.js" << 'EOF'
const http = require('http'), net = require('net');
const [port, raw] = process.argv.slice(2).map(Number);
// what comes goes back
http.createServer((request, answer) => {
  if (request.headers['content-length'])
    answer.setHeader('content-length', request.headers['content-length']);
  request.pipe(answer);
}).listen(port, '127.0.0.1');
net.createServer({ allowHalfOpen: true }, (s) => s.pipe(s)).listen(raw, '127.0.0.1');
EOF
  cat > "$BATS_TEST_TMPDIR/client.js" << 'EOF'
const http = require('http'), net = require('net'), crypto = require('crypto');
const [port, raw] = process.argv.slice(2).map(Number);
const sha = (data) => crypto.createHash('sha256').update(data).digest('hex');
const sizes = [1, 100, 5000, 70000, 300000];
const size = (i) => sizes[i % sizes.length];

function post(agent, i) {
  const data = crypto.randomBytes(size(i));
  return new Promise((done, failed) => {
    const options = { agent, port, host: '127.0.0.1', method: 'POST',
      headers: i % 2 ? { 'content-length': data.length } : {} };
    const request = http.request(options, (answer) => {
      const got = [];
      answer.on('data', (d) => got.push(d));
      answer.on('end', () => sha(Buffer.concat(got)) === sha(data)
        ? done() : failed(new Error('other data')));
    });
    request.on('error', failed);
    request.end(data);
  });
}

function half(i) {
  const data = crypto.randomBytes(size(i));
  return new Promise((done, failed) => {
    const got = [], s = net.connect(raw, '127.0.0.1');
    s.setNoDelay(true);
    s.on('data', (d) => got.push(d));
    s.on('end', () => sha(Buffer.concat(got)) === sha(data)
      ? done() : failed(new Error('other data')));
    s.on('error', failed);
    s.end(data);
  });
}

async function chain(agent, n) {
  for (let i = 0; i < 10; i++) {
    await post(agent, n + i);
    await half(n + i);
  }
}

(async () => {
  for (const keepAlive of [true, false]) {
    const agent = new http.Agent({ keepAlive, maxSockets: 20 });
    await Promise.all([...Array(20).keys()].map((n) => chain(agent, n)));
    agent.destroy();
  }
  console.log('all right');
})();
EOF
}
teardown() { stop_all; }

# client HOW: talks to $http and to $port
client() {
  as "$1" timeout 120 "$node" "$BATS_TEST_TMPDIR/client.js" "$http" "$port" \
    > "$BATS_TEST_TMPDIR/out"
  cat "$BATS_TEST_TMPDIR/out"
  grep -qx "all right" "$BATS_TEST_TMPDIR/out"
}

echoes() {
  local http
  free_port
  http=$port
  free_port
  serve "$1" "$node" "$BATS_TEST_TMPDIR/server.js" "$http" "$port"
  wait_port "$http"
  wait_port "$port"
  client "$2"
}

@test "node: twenty clients, HTTP with keep-alive and without, half-closed streams" {
  each_pair echoes
}

# workers share a listener, or get the connections from their parent by SCM_RIGHTS
cluster() {
  local policy http
  cat > "$BATS_TEST_TMPDIR/cluster.js" << EOF
const cluster = require('cluster');
if (cluster.isPrimary)
  for (let i = 0; i < 2; i++) cluster.fork();
else
  require('$BATS_TEST_TMPDIR/server.js');
EOF
  for policy in none rr; do
    free_port
    http=$port
    free_port
    NODE_CLUSTER_SCHED_POLICY=$policy \
      serve "$1" "$node" "$BATS_TEST_TMPDIR/cluster.js" "$http" "$port"
    wait_port "$http"
    wait_port "$port"
    client "$2"
    stop_all
  done
}

@test "node: two workers that share a listener, or are handed connections" {
  each_pair cluster
}
