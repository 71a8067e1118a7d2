// A small web app: shows how it was started, streams what it is sent, and says which signal ended it.
'use strict';

const http = require('node:http');
const os = require('node:os');

const port = Number(process.argv[2] || process.env.PORT || 3000);

// Only variables that the image or the user set for this app: an environment can hold secrets.
function information() {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('APP_')));
    return {
        app: 'node', env, user: os.userInfo().username, uid: process.getuid(), gid: process.getgid(),
        home: process.env.HOME, cwd: process.cwd(), args: process.argv.slice(2), pid: process.pid,
    };
}

function reply(response, status, kind, body) {
    response.writeHead(status, { 'Content-Type': kind, 'Content-Length': Buffer.byteLength(body) });
    response.end(body);
}

// One event each 100 ms, to see that nothing on the way collects a response before it passes it on.
function stream(response) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    let count = 0;
    const timer = setInterval(() => {
        response.write(`data: ${++count}\n\n`);
        if (count === 10) response.end();
    }, 100);
    response.on('close', () => clearInterval(timer));
}

const server = http.createServer((request, response) => {
    const path = request.url.split('?')[0];
    if (request.method === 'POST' && path === '/echo') {
        response.writeHead(200, { 'Content-Type': request.headers['content-type'] || 'application/octet-stream' });
        request.pipe(response);
    } else if (path === '/') {
        reply(response, 200, 'text/plain', 'Hello from a Node app. See /info, /healthz, /echo and /events.\n');
    } else if (path === '/healthz') {
        reply(response, 200, 'text/plain', 'ok\n');
    } else if (path === '/info') {
        reply(response, 200, 'application/json', JSON.stringify(information()) + '\n');
    } else if (path === '/events') {
        stream(response);
    } else {
        reply(response, 404, 'text/plain', 'not found\n');
    }
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT']) {
    process.on(signal, () => {
        console.log(`node-app: got ${signal}, stopping`);
        server.close(() => process.exit(0));
        server.closeIdleConnections();
    });
}
server.listen(port, () => console.log(`node-app: listening on ${port}`));
