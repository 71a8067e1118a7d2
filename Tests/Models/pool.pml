/* The pool's protocol under every interleaving: acquire, hand-over, pause, resume, reap, crash, abort.
 *
 * Two machines, three requests (two for the liveness run, whose fairness multiplies the states). The pool's decisions
 * are atomic, as they are under its lock; drivers, clients and the timer act whenever they like. An event carries the
 * generation of the machine it is about.
 *
 * With -DPATIENT no client leaves: then every request must be served, whatever crashes (liveness).
 *
 *   -DSPLIT_PAUSE   the idle check and the change to pausing are two steps: must fail
 *   -DNO_GENERATION events are applied to whatever is in the slot: must fail
 *   -DLOST_WAKE     a returned lease does not look at the queue: must fail (the watch sees an idle machine beside it)
 *   -DNO_RESTART    nothing is started for those who wait when a machine dies: must fail (liveness)
 */
#define MACHINES 2
#ifndef REQUESTS
#define REQUESTS 3
#endif
#ifndef CRASHES
#define CRASHES 1
#endif

mtype = { free, booting, idle, busy, pausing, paused, resuming, stopping };
mtype = { outside, waiting, holding, ended };

mtype machine[MACHINES] = free;
byte generation[MACHINES];
bool wanted[MACHINES];
byte leases[MACHINES];

mtype request[REQUESTS] = outside;
byte holds[REQUESTS];
byte heldGeneration[REQUESTS];
byte order[REQUESTS];           /* place in the queue, 0: not in it */
byte waiters;
byte crashes = CRASHES;

/* What drivers have been told and not answered: one outstanding call a machine. */
byte callGeneration[MACHINES];
bool called[MACHINES];
/* An event about a machine that is gone, still under way. */
bool stale[MACHINES];
byte staleGeneration[MACHINES];

inline call(m) { called[m] = true; callGeneration[m] = generation[m] }

/* Puts request r on machine m. */
inline grant(r, m) {
    assert(machine[m] == idle);
    assert(leases[m] == 0);
    machine[m] = busy;
    leases[m]++;
    request[r] = holding;
    holds[r] = m;
    heldGeneration[r] = generation[m]
}

/* The head of the queue gets machine m, which is idle. */
inline serve(m) {
    if
    :: waiters > 0 ->
        for (i : 0 .. REQUESTS - 1) {
            if
            :: order[i] == 1 -> head = i
            :: else
            fi
        }
        for (i : 0 .. REQUESTS - 1) {
            if
            :: order[i] > 0 -> order[i]--
            :: else
            fi
        }
        waiters--;
        grant(head, m)
    :: else
    fi
}

/* Brings capacity for the waiters: a paused machine, a pausing one taken back, else a new one. */
inline provision() {
    needed = waiters;
    for (i : 0 .. MACHINES - 1) {
        if
        :: machine[i] == booting || machine[i] == resuming || (machine[i] == pausing && wanted[i]) ->
            if
            :: needed > 0 -> needed--
            :: else
            fi
        :: else
        fi
    }
    for (i : 0 .. MACHINES - 1) {
        if
        :: needed > 0 && machine[i] == paused -> machine[i] = resuming; call(i); needed--
        :: needed > 0 && machine[i] == pausing && !wanted[i] -> wanted[i] = true; needed--
        :: else
        fi
    }
    for (i : 0 .. MACHINES - 1) {
        if
        :: needed > 0 && machine[i] == free ->
            machine[i] = booting; generation[i]++; wanted[i] = false; call(i); needed--
        :: else
        fi
    }
}

/* A machine is no more: its leases are void. */
inline bury(m) {
    if
    :: called[m] -> stale[m] = true; staleGeneration[m] = callGeneration[m]; called[m] = false
    :: else
    fi
    leases[m] = 0;
    wanted[m] = false;
    machine[m] = free
}

proctype Client(byte r) {
    byte i, head, needed, pick;
    atomic {
        pick = MACHINES;
        for (i : 0 .. MACHINES - 1) {
            if
            :: machine[i] == idle && waiters == 0 -> pick = i
            :: else
            fi
        }
        if
        :: pick < MACHINES -> grant(r, pick)
        :: else -> request[r] = waiting; waiters++; order[r] = waiters; provision()
        fi
    }
    if
    :: atomic { request[r] == holding -> skip }
#ifndef PATIENT
    :: atomic {                                       /* the client leaves */
        request[r] == waiting ->
        for (i : 0 .. REQUESTS - 1) {
            if
            :: order[i] > order[r] -> order[i]--
            :: else
            fi
        }
        order[r] = 0; waiters--; request[r] = ended }
       goto done
#endif
    fi;
    atomic {                                          /* the lease is returned */
        request[r] = ended;
        if
        :: generation[holds[r]] == heldGeneration[r] && machine[holds[r]] == busy ->
            assert(leases[holds[r]] == 1);
            leases[holds[r]]--;
            machine[holds[r]] = idle;
#ifndef LOST_WAKE
            serve(holds[r]);
#endif
            provision()
        :: else                                       /* the machine died before */
        fi
    }
done: skip
}

/* Answers what the pool asked of machine m; may also kill it. */
proctype Driver(byte m) {
    byte i, head, needed;
end:
    do
    :: atomic { called[m] && callGeneration[m] == generation[m] ->
        called[m] = false;
        if
        :: machine[m] == booting || machine[m] == resuming -> machine[m] = idle; serve(m); provision()
        :: machine[m] == pausing ->
            assert(leases[m] == 0);
            machine[m] = paused;
            if
            :: wanted[m] -> wanted[m] = false; machine[m] = resuming; call(m)
            :: else
            fi
        :: machine[m] == stopping -> bury(m); provision()
        fi }
    :: atomic { stale[m] ->                           /* a late answer about an earlier machine */
        stale[m] = false;
#ifdef NO_GENERATION
        if
        :: machine[m] == booting -> machine[m] = idle; called[m] = false; assert(staleGeneration[m] == generation[m]); serve(m)
        :: else
        fi
#else
        assert(staleGeneration[m] < generation[m] || machine[m] == free)
#endif
       }
    :: atomic { crashes > 0 && machine[m] != free -> crashes--; bury(m);
#ifndef NO_RESTART
        provision()
#endif
       }
    od
}

/* Idle machines pause, paused machines end, whenever it likes. */
proctype Timer(byte m) {
    byte i, head, needed;
end:
    do
#ifdef SPLIT_PAUSE
    :: machine[m] == idle -> machine[m] = pausing; call(m)
#else
    :: atomic { machine[m] == idle && waiters == 0 -> machine[m] = pausing; wanted[m] = false; call(m) }
#endif
    :: atomic { machine[m] == paused && waiters == 0 -> machine[m] = stopping; call(m) }
    od
}

/* No lease on a machine that does not run, and no idle machine beside a queue, between any two steps. */
proctype Watch() {
    byte i;
end:
    do
    :: atomic {
        for (i : 0 .. MACHINES - 1) {
            assert(leases[i] <= 1);
            assert(leases[i] == 0 || machine[i] == busy);
            assert(!(machine[i] == idle && waiters > 0))
        }
        break }
    od
}

init {
    byte i;
    atomic {
        for (i : 0 .. MACHINES - 1) { run Driver(i); run Timer(i) }
        for (i : 0 .. REQUESTS - 1) { run Client(i) }
        run Watch()
    }
}

#if REQUESTS == 2
#define allEnded (request[0] == ended && request[1] == ended)
#else
#define allEnded (request[0] == ended && request[1] == ended && request[2] == ended)
#endif
ltl everyRequestEnds { <> allEnded }
