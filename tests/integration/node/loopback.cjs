// SPDX-License-Identifier: Apache-2.0
// node --require ./loopback.cjs ...   Every server of the process listens on 127.0.0.1: server-everything has no option for it.
'use strict';

const net = require('node:net');

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function listenOnLoopback(...args) {
  const [first, second] = args;
  if (typeof first === 'object' && first !== null && first.path === undefined) {
    args[0] = { ...first, host: '127.0.0.1' };
  } else if (first !== null && /^\d+$/.test(String(first))) {
    if (typeof second === 'string') args[1] = '127.0.0.1';
    else args.splice(1, 0, '127.0.0.1');
  }
  return listen.apply(this, args);
};
