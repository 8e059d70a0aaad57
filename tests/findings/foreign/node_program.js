// A small HTTP server over Node's own; its argument is the way in which it misbehaves.
//
// Two lines on standard output frame the run: where it listens, and how often it misbehaved.
'use strict';
const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');

const EVERY = 10;
const way = process.argv[2];
const fifo = process.argv[3];
let requests = 0;
let faults = 0;

function misbehave(response) {
  if (way === 'file') {
    const file = fs.openSync(fifo, 'r');
    fs.readSync(file, Buffer.alloc(1));
    fs.closeSync(file);
    faults += 1;
  } else if (way === 'compute') {
    crypto.pbkdf2Sync('word', 'salt', 120000, 64, 'sha512');
    faults += 1;
  } else if (way === 'silent') {
    faults += 1;
    return false;
  }
  return true;
}

function answer(request, response) {
  requests += 1;
  if (requests % EVERY === 0 && !misbehave(response)) return;
  const reply = () => {
    response.setHeader('Content-Length', 6);
    response.end('hello\n');
  };
  const [, pause] = /^\/sleep\/(\d+)/.exec(request.url) || [];
  if (pause) setTimeout(reply, Number(pause));
  else if (way === 'pool') crypto.pbkdf2('word', 'salt', 60000, 64, 'sha512', reply);
  else if (way === 'stat') fs.stat(__filename, reply);
  else reply();
}

const LINES = ['HTTP/1.1 200 OK\r\n', 'Server: foreign\r\n', 'Content-Length: 6\r\n', '\r\n', 'hello\n'];

function byLines(socket) {
  socket.setNoDelay(way === 'pieces');
  socket.on('data', () => {
    requests += 1;
    for (const line of LINES) {
      socket.write(line);
      faults += 1;
    }
  });
  socket.on('error', () => {});
}

function neverEnding(socket) {
  let closing = false;
  socket.on('data', (data) => {
    requests += 1;
    closing = closing || data.includes('Connection: close');
    const [, pause] = /^GET \/sleep\/(\d+)/.exec(data) || [0, 0];
    setTimeout(() => {
      socket.write(LINES.join(''));
      if (closing) socket.end();
    }, Number(pause));
  });
  socket.on('end', () => { if (!closing) faults += 1; });
  socket.on('error', () => {});
}

const makers = {
  pieces: () => net.createServer(byLines),
  held: () => net.createServer(byLines),
  leak: () => net.createServer({ allowHalfOpen: true }, neverEnding),
};
const server = (makers[way] || (() => http.createServer({ keepAliveTimeout: 60000 }, answer)))();
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ listening: `127.0.0.1:${server.address().port}`, pid: process.pid }));
});
process.on('SIGTERM', () => {
  fs.writeSync(1, JSON.stringify({ requests, faults: { [way]: faults } }) + '\n');
  process.exit(0);
});
