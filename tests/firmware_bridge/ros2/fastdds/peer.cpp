// A peer of another maker (Fast DDS, which rmw_fastrtps wraps): it reads a topic, changes the message, and sends it back.
//   peer DOMAIN     on loopback, until its standard input ends
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iostream>
#include <string>

#include <fastdds/dds/domain/DomainParticipant.hpp>
#include <fastdds/dds/domain/DomainParticipantFactory.hpp>
#include <fastdds/dds/publisher/DataWriter.hpp>
#include <fastdds/dds/publisher/Publisher.hpp>
#include <fastdds/dds/subscriber/DataReader.hpp>
#include <fastdds/dds/subscriber/DataReaderListener.hpp>
#include <fastdds/dds/subscriber/SampleInfo.hpp>
#include <fastdds/dds/subscriber/Subscriber.hpp>
#include <fastdds/rtps/transport/UDPv4TransportDescriptor.h>

#include "rosPubSubTypes.h"

using namespace eprosima::fastdds::dds;
using eprosima::fastdds::rtps::UDPv4TransportDescriptor;
using eprosima::fastrtps::rtps::PREALLOCATED_WITH_REALLOC_MEMORY_MODE;

static void change(sensor_msgs::msg::dds_::LaserScan_& scan)
{
    std::reverse(scan.ranges().begin(), scan.ranges().end());
    scan.header().frame_id(scan.header().frame_id() + "_back");
}

static void change(geometry_msgs::msg::dds_::Twist_& twist)
{
    twist.linear().x(-twist.linear().x());
}

static void change(std_msgs::msg::dds_::String_& text)
{
    for (char& each : text.data()) each = static_cast<char>(std::toupper(static_cast<unsigned char>(each)));
}

template <typename Message, typename Type>
class Back : public DataReaderListener
{
public:
    Back(DomainParticipant* participant, const std::string& topic)
    {
        TypeSupport type(new Type());
        type->auto_fill_type_information(false);  // as rmw_fastrtps does
        type->auto_fill_type_object(false);
        type.register_type(participant);
        Topic* in = participant->create_topic("rt/" + topic, type.get_type_name(), TOPIC_QOS_DEFAULT);
        Topic* out = participant->create_topic("rt/" + topic + "_back", type.get_type_name(), TOPIC_QOS_DEFAULT);
        DataWriterQos writes = DATAWRITER_QOS_DEFAULT;
        writes.reliability().kind = RELIABLE_RELIABILITY_QOS;
        writes.endpoint().history_memory_policy = PREALLOCATED_WITH_REALLOC_MEMORY_MODE;
        writer_ = participant->create_publisher(PUBLISHER_QOS_DEFAULT)->create_datawriter(out, writes);
        DataReaderQos reads = DATAREADER_QOS_DEFAULT;
        reads.reliability().kind = RELIABLE_RELIABILITY_QOS;
        reads.endpoint().history_memory_policy = PREALLOCATED_WITH_REALLOC_MEMORY_MODE;
        if (participant->create_subscriber(SUBSCRIBER_QOS_DEFAULT)->create_datareader(in, reads, this) == nullptr) std::exit(2);
    }

    void on_data_available(DataReader* reader) override
    {
        Message message;
        SampleInfo info;
        while (reader->take_next_sample(&message, &info) == ReturnCode_t::RETCODE_OK) {
            if (!info.valid_data) continue;
            change(message);
            writer_->write(&message);
        }
    }

private:
    DataWriter* writer_;
};

int main(int argc, char** argv)
{
    DomainParticipantQos qos = PARTICIPANT_QOS_DEFAULT;
    auto loopback = std::make_shared<UDPv4TransportDescriptor>();
    loopback->interfaceWhiteList.push_back("127.0.0.1");
    qos.transport().use_builtin_transports = false;
    qos.transport().user_transports.push_back(loopback);
    DomainParticipant* participant =
        DomainParticipantFactory::get_instance()->create_participant(argc > 1 ? std::atoi(argv[1]) : 0, qos);
    if (participant == nullptr) return 2;
    Back<sensor_msgs::msg::dds_::LaserScan_, sensor_msgs::msg::dds_::LaserScan_PubSubType> scan(participant, "scan");
    Back<geometry_msgs::msg::dds_::Twist_, geometry_msgs::msg::dds_::Twist_PubSubType> twist(participant, "cmd_vel");
    Back<std_msgs::msg::dds_::String_, std_msgs::msg::dds_::String_PubSubType> text(participant, "chatter");
    std::cout << "ready" << std::endl;
    for (std::string line; std::getline(std::cin, line);) {}
    std::_Exit(0);
}
