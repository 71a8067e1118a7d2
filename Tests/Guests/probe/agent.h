// The guest's side of the agent protocol (guest/Sources/AgentProtocol.swift), as far as a guest without processes
// has something to say: hello, clock, logs, stop, status, reseed, ping.
#pragma once
#include "tcp.h"

#define AGENT_PORT 1

extern const struct service agent_service;

// The app port that the state frame names as listening from now on.
void agent_listening(u16 port);

// Set once a stop was answered: the VM is to end when the answer is out.
extern int agent_stopping;
