#include "agent.h"
#include "http.h"
#include "net.h"

void main(void) {
    machine_start();
    if (!net_start()) {
        machine_print("probe: no network device\n");
        machine_exit();
    }
    probe.boot = machine_random();
    // The host asks for another app port with this word.
    const char *port = boot_word("fcctl.port=", 0);
    tcp_start();
    u16 app_port = port ? (u16)parse_number(port, 0) : 3000;
    tcp_listen(app_port, &http_service);
    tcp_listen(AGENT_PORT, &agent_service);
    agent_listening(app_port);
    machine_print("probe: ready\n");
    for (;;) {
        while (net_poll(link_receive)) {
            net_kick();
        }
        if (agent_stopping) {
            net_drain();
            machine_exit();
        }
        http_tick();
        net_idle();
    }
}
