/* Any bytes at any time: the core stays within memory (the sanitizers tell), its motors within limits, and what it sends
   are frames. A monitor that shares no code with the core watches when the last drive was taken.

   The first byte of an input says how the rest is read: as bytes of the line, or as messages that are framed rightly, so that
   the CRC doesn't keep the fuzzer out. Built with -DRANDOM it makes its own inputs, the same every time. */
#include <stdio.h>
#include <stdlib.h>

#include "port.h"

#define MUST(truth) \
    if (!(truth)) fprintf(stderr, "line %d: not true: %s\n", __LINE__, #truth), abort()

enum { ACK_WIRE = ack_SIZE + 7 }; /* always room for it: from it the monitor knows that a drive was taken */

static core_t core;
static decoder_t out;
static unsigned since_ok; /* ms since a drive was answered with OK */
static uint8_t asked_id;

static void watch(void) {
    for (unsigned at = 0; at < port.length; at++) {
        uint8_t got = decoder_push(&out, port.line[at]);
        if (got == 0) continue;
        MUST(got >= 3);
        if (out.bytes[1] == ack_ID) {
            MUST(got == 3 && out.bytes[2] <= STATUS_STOPPED);
            if (out.bytes[2] == STATUS_OK && asked_id == drive_ID) since_ok = 0;
        }
    }
    MUST(out.bad == 0);
    port.length = 0;
    for (int motor = 0; motor < 2; motor++) {
        MUST(port.duty[motor] >= -FULL && port.duty[motor] <= FULL);
        MUST(port.duty[motor] == core.duty[motor]);
        if (since_ok > DEADMAN_MS || !core.session) MUST(port.duty[motor] == 0);
    }
}

static void tick(unsigned ms) {
    while (ms-- > 0) {
        port.micros += 1000;
        since_ok++;
        core_tick(&core, core.now + 1);
        if (port.button) MUST(port.duty[0] == 0 && port.duty[1] == 0);
        watch();
    }
}

static void line(uint8_t byte) {
    /* What is asked has to be known before the core takes it away. */
    static decoder_t same;
    if (decoder_push(&same, byte) >= 2) asked_id = same.bytes[1];
    core_byte(&core, byte);
    watch();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    memset(&port, 0, sizeof port);
    memset(&out, 0, sizeof out);
    port.room = 127;
    since_ok = 1000000;
    core_init(&core, 1);
    line(0);
    if (size < 1) return 0;
    bool framed = data[0] & 1;
    port.imu = data[0] & 2;
    for (size_t at = 1; at < size;) {
        if (!framed) {
            line(data[at]);
            if (data[at++] == 0) tick(1);
            continue;
        }
        uint8_t head = data[at++], length = head & 31, wire[WIRE_MAX];
        if (head & 32) tick(length * 8u);
        else if (head & 64) port.button = length & 1, port.room = (uint8_t)(ACK_WIRE + length * 3u);
        else {
            uint8_t id = at < size ? data[at++] : 0;
            if (length > size - at) length = (uint8_t)(size - at);
            uint8_t sent = frame_encode(wire, id, id, data + at, length);
            for (uint8_t byte = 0; byte < sent; byte++) line(wire[byte]);
            at += length;
        }
    }
    line(0);
    tick(DEADMAN_MS + 1);
    return 0;
}

#ifdef RANDOM
static uint32_t state = 2463534242u; /* Marsaglia, "Xorshift RNGs", 2003 */
static uint32_t next(void) {
    state ^= state << 13;
    state ^= state >> 17;
    return state ^= state << 5;
}

int main(int count, char **words) {
    static const uint8_t ids[] = {hello_ID, drive_ID, drive_ID, stop_ID, release_ID, stream_ID, describe_ID, name_ID};
    static const uint8_t sizes[] = {hello_SIZE, drive_SIZE, drive_SIZE, stop_SIZE, release_SIZE, stream_SIZE, describe_SIZE, name_SIZE};
    unsigned long rounds = count > 1 ? strtoul(words[1], NULL, 10) : 1000, moved = 0;
    for (unsigned long round = 0; round < rounds; round++) {
        uint8_t input[256];
        size_t size = 1 + next() % 255, at = 1;
        for (size_t byte = 0; byte < size; byte++) input[byte] = (uint8_t)next();
        if (round % 3 == 0 && size > 40) { /* mostly messages with their right lengths, from a hello on */
            input[0] |= 1;
            input[at++] = hello_SIZE, input[at++] = hello_ID, input[at++] = PROTOCOL;
            while (at + 20 < size) {
                uint32_t which = next() % 8;
                input[at++] = sizes[which], input[at++] = ids[which];
                if (ids[which] == drive_ID) input[at + 1] &= 3, input[at + 3] = 0, memset(input + at + 4, 0, 4);
                at += sizes[which];
                if (next() % 2) input[at++] = (uint8_t)(32 + next() % 32);
            }
        }
        LLVMFuzzerTestOneInput(input, size);
        moved += since_ok < 1000000;
    }
    printf("%lu inputs, in %lu of them something drove\n", rounds, moved);
    return moved < rounds / 10;
}
#endif
