/* A board of variables: what the core does to its port, and what the port tells it. */
#ifndef TEST_PORT_H
#define TEST_PORT_H

#include <string.h>

#include "../core/core.h"

static struct {
    uint32_t micros, named;
    uint8_t room, leds;
    int16_t duty[2];
    bool button, imu;
    uint8_t line[4096];
    unsigned length;
} port;

uint32_t port_micros(void) { return port.micros; }
uint8_t port_room(void) { return port.room; }
void port_send(const uint8_t *bytes, uint8_t length) {
    if (port.length + length > sizeof port.line) port.length = 0;
    memcpy(port.line + port.length, bytes, length);
    port.length += length;
}
void port_motors(const int16_t duty[2]) { memcpy(port.duty, duty, sizeof port.duty); }
bool port_button(void) { return port.button; }
void port_leds(uint8_t on) { port.leds = on; }
void port_name(uint32_t board) { port.named = board; }
uint16_t port_battery(void) { return 11100; }
void port_encoders(encoders_t *encoders) { encoders->left = -2147483647 - 1, encoders->right = 7; }
void port_analogue(analogue_t *analogue) { analogue->a1 = 1, analogue->a2 = 2, analogue->a3 = 5000; }
bool port_imu(imu_t *imu) {
    if (port.imu) memset(imu, 0, sizeof *imu);
    return port.imu;
}

#endif
