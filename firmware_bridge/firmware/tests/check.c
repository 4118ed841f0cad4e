/* The core's tests, run on the host under sanitizers; prints each property that holds, and stops at the first that doesn't. */
#include <stdio.h>
#include <stdlib.h>

#include "port.h"

#define CHECK(truth) \
    if (!(truth)) fprintf(stderr, "line %d: not true: %s\n", __LINE__, #truth), exit(1)

static core_t core;
static uint8_t sequence;

static void run(uint32_t ms) {
    while (ms-- > 0) {
        port.micros += 1000;
        core_tick(&core, core.now + 1);
    }
}

static void fresh(void) {
    memset(&port, 0, sizeof port);
    port.room = 127;
    core_init(&core, 42);
}

/* Sends a message and returns the body of its answer: sequence, id, data. */
static const uint8_t *ask(uint8_t id, const uint8_t *data, uint8_t length) {
    static decoder_t answer;
    uint8_t wire[WIRE_MAX], size = frame_encode(wire, ++sequence, id, data, length), got = 0;
    port.length = 0;
    for (uint8_t at = 0; at < size; at++) core_byte(&core, wire[at]);
    for (unsigned at = 0; at < port.length; at++)
        if ((got = decoder_push(&answer, port.line[at])) != 0) break;
    CHECK(got >= 3 && answer.bytes[0] == sequence);
    return answer.bytes;
}

static uint8_t status_of(uint8_t id, const uint8_t *data, uint8_t length) {
    const uint8_t *body = ask(id, data, length);
    CHECK(body[1] == ack_ID);
    return body[2];
}

static void hello(void) {
    const uint8_t version = PROTOCOL;
    CHECK(ask(hello_ID, &version, 1)[1] == welcome_ID);
}

static uint8_t drive(int16_t left, int16_t right, uint32_t until) {
    const drive_t message = {left, right, until};
    uint8_t data[drive_SIZE];
    drive_put(&message, data);
    return status_of(drive_ID, data, sizeof data);
}

static void frames(void) {
    uint16_t crc = 0xffff;
    for (const char *at = "123456789"; *at; at++) crc = crc16(crc, (uint8_t)*at);
    CHECK(crc == 0x29b1);
    decoder_t decoder = {0};
    for (unsigned length = 0; length <= DATA_MAX; length++) {
        uint8_t data[DATA_MAX], wire[WIRE_MAX], got = 0;
        for (unsigned at = 0; at < length; at++) data[at] = (uint8_t)(at % 3 ? at * length : 0);
        uint8_t size = frame_encode(wire, (uint8_t)length, 0, data, (uint8_t)length);
        CHECK(size == length + 7u);
        for (uint8_t at = 0; at < size; at++) {
            CHECK((wire[at] == 0) == (at == 0 || at == size - 1));
            got = decoder_push(&decoder, wire[at]);
        }
        CHECK(got == length + 2 && memcmp(decoder.bytes + 2, data, length) == 0);
    }
    CHECK(decoder.bad == 0);
    puts("frames of every length come back as they were sent");
    uint8_t wire[WIRE_MAX];
    const uint8_t data[] = {1, 0, 2, 0, 3};
    uint8_t size = frame_encode(wire, 9, 16, data, sizeof data);
    for (uint8_t at = 1; at < size - 1; at++)
        for (uint8_t bit = 0; bit < 8; bit++) {
            wire[at] ^= (uint8_t)(1u << bit);
            for (uint8_t byte = 0; byte < size; byte++) CHECK(decoder_push(&decoder, wire[byte]) == 0);
            wire[at] ^= (uint8_t)(1u << bit);
        }
    puts("no frame with one wrong bit is taken");
    for (unsigned at = 0; at < 1000; at++) CHECK(decoder_push(&decoder, 0xff) == 0);
    uint8_t got = 0;
    for (uint8_t at = 0; at < size; at++) got = decoder_push(&decoder, wire[at]);
    CHECK(got == 7);
    puts("after any length of rubbish the next frame is taken");
}

static void nothing_moves_before_a_hello(void) {
    fresh();
    CHECK(drive(500, 500, 0) == STATUS_HELLO);
    const uint8_t other = PROTOCOL + 1;
    hello();
    CHECK(ask(hello_ID, &other, 1)[2] == PROTOCOL); /* it says which it speaks */
    CHECK(drive(500, 500, 0) == STATUS_HELLO);
    run(10);
    CHECK(port.duty[0] == 0);
    puts("nothing moves before a hello of the same version");
}

static void deadman(void) {
    fresh();
    hello();
    for (int repeat = 0; repeat < 20; repeat++) {
        CHECK(drive(1000, -1000, 0) == STATUS_OK);
        run(100);
    }
    CHECK(port.duty[0] == 1000 && port.duty[1] == -1000);
    run(DEADMAN_MS - 100 - 1);
    CHECK(port.duty[0] == 1000);
    const uint8_t mark[4] = {0};
    ask(ping_ID, mark, 4);
    run(1);
    CHECK(port.duty[0] == 0 && port.duty[1] == 0 && core.deadman);
    puts("250 ms without a drive, and the motors stop, whatever else is said");
    CHECK(drive(300, 300, 0) == STATUS_OK && !core.deadman);
    run(10);
    CHECK(port.duty[0] == 50);
    puts("a new drive moves them again");
}

static void slew(void) {
    fresh();
    hello();
    int16_t last = 0;
    for (int ms = 0; ms < 1000; ms++) {
        if (ms % 50 == 0) CHECK(drive((int16_t)(ms % 100 ? 1000 : -1000), 0, 0) == STATUS_OK);
        run(1);
        CHECK(abs(port.duty[0] - last) <= SLEW);
        last = port.duty[0];
    }
    puts("power changes by little at a time");
}

static void wrong_drives(void) {
    fresh();
    hello();
    CHECK(drive(800, 800, 0) == STATUS_OK);
    run(100);
    CHECK(drive(1001, 0, 0) == STATUS_RANGE && port.duty[0] == 0 && port.duty[1] == 0);
    CHECK(drive(0, -32767 - 1, 0) == STATUS_RANGE);
    port.micros = 5000000;
    CHECK(drive(100, 100, 4999999) == STATUS_LATE);
    run(10);
    CHECK(port.duty[0] == 0);
    CHECK(drive(100, 100, port.micros + 1) == STATUS_OK);
    port.micros = 10;
    CHECK(drive(100, 100, 4294967290u) == STATUS_LATE); /* the clock went round */
    port.micros = 4294967290u;
    CHECK(drive(100, 100, 10) == STATUS_OK);
    puts("a drive outside its limits stops the motors, and a late one isn't obeyed");
    const uint8_t shorter[3] = {0};
    CHECK(status_of(drive_ID, shorter, 3) == STATUS_LENGTH);
    CHECK(status_of(0x3f, shorter, 3) == STATUS_UNKNOWN && status_of(ack_ID, shorter, 1) == STATUS_UNKNOWN);
    puts("messages of another length, and unknown ones, are refused");
}

static void emergency_stop(void) {
    const uint8_t one = 1, two = 2;
    fresh();
    hello();
    CHECK(drive(1000, 1000, 0) == STATUS_OK);
    run(100);
    port.button = true;
    run(1);
    CHECK(port.duty[0] == 0 && drive(100, 100, 0) == STATUS_STOPPED);
    port.button = false;
    run(1);
    CHECK(drive(100, 100, 0) == STATUS_STOPPED);
    hello();
    CHECK(drive(100, 100, 0) == STATUS_STOPPED);
    CHECK(status_of(release_ID, &two, 1) == STATUS_RANGE);
    port.button = true;
    CHECK(status_of(release_ID, &one, 1) == STATUS_STOPPED);
    port.button = false;
    CHECK(status_of(release_ID, &one, 1) == STATUS_OK && drive(100, 100, 0) == STATUS_OK);
    run(5);
    CHECK(port.duty[0] == 25 && status_of(stop_ID, &two, 1) == STATUS_RANGE && port.duty[0] == 0 && core.latched);
    puts("an emergency stop holds until it is released, and can't be while the button is pressed");
}

static void streams(void) {
    fresh();
    hello();
    const uint8_t fast[] = {state_ID, 1, 0}, wrong[] = {state_ID + STREAMS, 1, 0}, no_imu[] = {imu_ID, 1, 0};
    CHECK(status_of(stream_ID, wrong, 3) == STATUS_RANGE);
    CHECK(status_of(stream_ID, no_imu, 3) == STATUS_OK);
    CHECK(status_of(stream_ID, fast, 3) == STATUS_OK);
    port.length = 0;
    run(10);
    CHECK(port.length == 10 * (state_SIZE + 7u));
    port.room = WIRE_MAX; /* an answer would fit, a stream beside it not */
    run(10);
    CHECK(port.length == 10 * (state_SIZE + 7u) && core.skipped == 10 && core.sequence == 20);
    puts("streams leave room for answers, and what they leave out can be counted");
}

static void dictionary(void) {
    fresh();
    uint16_t at = 0, crc = 0xffff;
    while (at < dictionary_size()) {
        const uint8_t offset[2] = {(uint8_t)(at & 0xff), (uint8_t)(at >> 8)};
        uint8_t wire[WIRE_MAX], size = frame_encode(wire, 1, describe_ID, offset, 2), got = 0;
        decoder_t decoder = {0};
        port.length = 0;
        for (uint8_t byte = 0; byte < size; byte++) core_byte(&core, wire[byte]);
        for (unsigned byte = 0; byte < port.length; byte++)
            if ((got = decoder_push(&decoder, port.line[byte])) != 0) break;
        CHECK(got > 4 && decoder.bytes[1] == piece_ID);
        for (uint8_t byte = 4; byte < got; byte++, at++) crc = crc16(crc, decoder.bytes[byte]);
    }
    CHECK(at == dictionary_size() && crc == dictionary_crc());
    puts("the dictionary is told whole, piece by piece");
}

int main(void) {
    frames();
    nothing_moves_before_a_hello();
    deadman();
    slew();
    wrong_drives();
    emergency_stop();
    streams();
    dictionary();
    return 0;
}
