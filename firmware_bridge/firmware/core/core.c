#include "core.h"

#include <string.h>

static void stand(core_t *core) {
    core->target[0] = core->target[1] = core->duty[0] = core->duty[1] = 0;
    port_motors(core->duty);
}

static void reply(uint8_t sequence, uint8_t id, const uint8_t *data, uint8_t length) {
    uint8_t wire[WIRE_MAX];
    uint8_t size = frame_encode(wire, sequence, id, data, length);
    if (size <= port_room()) port_send(wire, size); /* else the host asks again */
}

void core_init(core_t *core, uint32_t board) {
    memset(core, 0, sizeof *core);
    core->board = board;
    stand(core);
}

static void on_hello(core_t *core, const uint8_t *data, uint8_t sequence) {
    hello_t hello;
    hello_get(&hello, data);
    core->session = hello.version == PROTOCOL;
    stand(core); /* whoever says hello anew didn't ask for the motion that the last one asked for */
    core->deadman = false;
    memset(core->period, 0, sizeof core->period);
    const welcome_t welcome = {
        .version = PROTOCOL,
        .board = core->board,
        .size = dictionary_size(),
        .crc = dictionary_crc(),
        .window = WINDOW - 1, /* a ring keeps one place free to tell full from empty */
        .deadman = DEADMAN_MS,
        .time = port_micros(),
    };
    uint8_t out[welcome_SIZE];
    welcome_put(&welcome, out);
    reply(sequence, welcome_ID, out, sizeof out);
}

static void on_describe(const uint8_t *data, uint8_t sequence) {
    describe_t describe;
    describe_get(&describe, data);
    uint8_t out[DATA_MAX], length = piece_SIZE;
    const piece_t piece = {describe.offset};
    piece_put(&piece, out);
    for (uint32_t at = describe.offset; at < dictionary_size() && length < DATA_MAX; at++)
        out[length++] = dictionary_byte((uint16_t)at);
    reply(sequence, piece_ID, out, length);
}

static void on_ping(const uint8_t *data, uint8_t sequence) {
    ping_t ping;
    ping_get(&ping, data);
    const pong_t pong = {ping.mark, port_micros()};
    uint8_t out[pong_SIZE];
    pong_put(&pong, out);
    reply(sequence, pong_ID, out, sizeof out);
}

static uint8_t on_drive(core_t *core, const uint8_t *data) {
    drive_t drive;
    if (!core->session) return STATUS_HELLO;
    if (!drive_get(&drive, data)) {
        stand(core);
        return STATUS_RANGE;
    }
    if (core->latched) return STATUS_STOPPED;
    if (drive.until != 0 && (int32_t)(drive.until - port_micros()) < 0) return STATUS_LATE;
    core->target[0] = drive.left;
    core->target[1] = drive.right;
    core->driven = core->now;
    core->deadman = false;
    return STATUS_OK;
}

static uint8_t on_stop(core_t *core, const uint8_t *data) {
    stop_t stop;
    bool inside = stop_get(&stop, data);
    stand(core); /* a stop that is wrong in itself is still a stop */
    if (stop.latch != 0) core->latched = true;
    return inside ? STATUS_OK : STATUS_RANGE;
}

static uint8_t on_release(core_t *core, const uint8_t *data) {
    release_t release;
    if (!core->session) return STATUS_HELLO;
    if (!release_get(&release, data)) return STATUS_RANGE;
    if (port_button()) return STATUS_STOPPED;
    core->latched = false;
    return STATUS_OK;
}

static uint8_t on_stream(core_t *core, const uint8_t *data) {
    stream_t stream;
    if (!core->session) return STATUS_HELLO;
    if (!stream_get(&stream, data)) return STATUS_RANGE;
    core->period[stream.id - STREAM_FIRST] = stream.period;
    core->waited[stream.id - STREAM_FIRST] = 0;
    return STATUS_OK;
}

static uint8_t on_leds(const uint8_t *data) {
    leds_t leds;
    if (!leds_get(&leds, data)) return STATUS_RANGE;
    port_leds(leds.on);
    return STATUS_OK;
}

static uint8_t on_name(core_t *core, const uint8_t *data) {
    name_t name;
    if (!name_get(&name, data)) return STATUS_RANGE;
    core->board = name.board;
    port_name(name.board);
    return STATUS_OK;
}

#define AS_LENGTH_c(id, name) \
    case id: return name##_SIZE;
#define AS_LENGTH_r(id, name)
#define AS_LENGTH_s(id, name)
#define AS_LENGTH(id, kind, name, FIELDS) AS_LENGTH_##kind(id, name)

/* The length of a message from the host, or 0xff where there is no such message. */
static uint8_t length_of(uint8_t id) {
    switch (id) {
        MESSAGES(AS_LENGTH)
        default: return 0xff;
    }
}

static void handle(core_t *core, uint8_t sequence, uint8_t id, const uint8_t *data, uint8_t length) {
    uint8_t status = STATUS_OK, wanted = length_of(id);
    if (wanted != length) {
        status = wanted == 0xff ? STATUS_UNKNOWN : STATUS_LENGTH;
    } else {
        switch (id) {
            case hello_ID: on_hello(core, data, sequence); return;
            case describe_ID: on_describe(data, sequence); return;
            case ping_ID: on_ping(data, sequence); return;
            case drive_ID: status = on_drive(core, data); break;
            case stop_ID: status = on_stop(core, data); break;
            case release_ID: status = on_release(core, data); break;
            case stream_ID: status = on_stream(core, data); break;
            case leds_ID: status = on_leds(data); break;
            case name_ID: status = on_name(core, data); break;
        }
    }
    const ack_t ack = {status};
    uint8_t out[ack_SIZE];
    ack_put(&ack, out);
    reply(sequence, ack_ID, out, sizeof out);
}

void core_byte(core_t *core, uint8_t byte) {
    uint8_t length = decoder_push(&core->decoder, byte);
    const uint8_t *body = core->decoder.bytes;
    if (length >= 2) handle(core, body[0], body[1], body + 2, (uint8_t)(length - 2));
}

static uint8_t flags(const core_t *core, bool imu) {
    return (uint8_t)((core->session ? FLAG_SESSION : 0) | (core->duty[0] || core->duty[1] ? FLAG_MOVING : 0) |
                     (core->deadman ? FLAG_DEADMAN : 0) | (core->latched ? FLAG_LATCHED : 0) |
                     (port_button() ? FLAG_BUTTON : 0) | (imu ? FLAG_IMU : 0));
}

/* Writes what a stream tells to `out` of DATA_MAX bytes; returns its length, 0 where there is nothing to tell. */
static uint8_t sample(const core_t *core, uint8_t id, uint8_t *out) {
    if (id == state_ID) {
        imu_t imu;
        const state_t state = {
            .time = port_micros(),
            .left = core->duty[0],
            .right = core->duty[1],
            .battery = port_battery(),
            .flags = flags(core, port_imu(&imu)),
            .bad = core->decoder.bad,
            .skipped = core->skipped,
        };
        state_put(&state, out);
        return state_SIZE;
    }
    if (id == encoders_ID) {
        encoders_t encoders = {.time = port_micros()};
        port_encoders(&encoders);
        encoders_put(&encoders, out);
        return encoders_SIZE;
    }
    if (id == analogue_ID) {
        analogue_t analogue = {.time = port_micros()};
        port_analogue(&analogue);
        analogue_put(&analogue, out);
        return analogue_SIZE;
    }
    imu_t imu = {.time = port_micros()};
    if (!port_imu(&imu)) return 0;
    imu_put(&imu, out);
    return imu_SIZE;
}

static void tell(core_t *core, uint8_t id) {
    uint8_t data[DATA_MAX], wire[WIRE_MAX];
    uint8_t length = sample(core, id, data);
    if (length == 0) return;
    uint8_t sequence = core->sequence++;
    uint8_t size = frame_encode(wire, sequence, id, data, length);
    if (port_room() >= size + WIRE_MAX) /* an answer has room beside it */
        port_send(wire, size);
    else if (core->skipped < UINT16_MAX)
        core->skipped++;
}

static int16_t nearer(int16_t from, int16_t to) {
    if (to > from + SLEW) return (int16_t)(from + SLEW);
    if (to < from - SLEW) return (int16_t)(from - SLEW);
    return to;
}

void core_tick(core_t *core, uint32_t now) {
    core->now = now;
    if (port_button()) core->latched = true;
    bool asked = core->target[0] != 0 || core->target[1] != 0;
    if (asked && now - core->driven >= DEADMAN_MS) core->deadman = true;
    if (core->latched || core->deadman) {
        stand(core); /* at once, not by and by */
    } else if (core->duty[0] != core->target[0] || core->duty[1] != core->target[1]) {
        core->duty[0] = nearer(core->duty[0], core->target[0]);
        core->duty[1] = nearer(core->duty[1], core->target[1]);
        port_motors(core->duty);
    }
    for (uint8_t stream = 0; stream < STREAMS; stream++) {
        if (core->period[stream] == 0 || ++core->waited[stream] < core->period[stream]) continue;
        core->waited[stream] = 0;
        tell(core, (uint8_t)(STREAM_FIRST + stream));
    }
}
